"""A real database file for every test, and drawings to put in it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bot.store import Store, sqlite_url
from bot.store.drawings import NewResult, record
from bot.store.models import Drawing

RecordDrawing = Callable[..., Awaitable[Drawing]]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "store.db")


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with Store.open(url) as opened:
        yield opened


@pytest.fixture
def record_drawing(store: Store) -> RecordDrawing:
    """Return a function that records a drawing, by default of person 7 with three photos."""

    async def record_one(photos: int = 3, author_id: int = 7) -> Drawing:
        found = [
            NewResult(
                photo_id=f"{n:064x}",
                collection="stamps",
                title=f"Photo {n}",
                credit="A. Photographer",
                score=1.0 - n / 10,
                generation="g1",
                encoder="lite0",
            )
            for n in range(photos)
        ]
        async with store.write() as session:
            return await record(
                session,
                sha256="ab" * 32,
                author_id=author_id,
                guild_id=None,
                channel_id=2**62,  # snowflakes need more than 32 bits
                source="slash",
                content_type="image/png",
                size_bytes=1234,
                results=found,
            )

    return record_one
