"""One vote of a person a photo, whatever races."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from bot.store import Store
from bot.store.models import Drawing, Vote, VoteKind
from bot.store.votes import UnknownResultError, VoteOutcome, cast, tallies

RecordDrawing = Callable[..., Awaitable[Drawing]]
PROCESS = Path(__file__).with_name("voting_process.py")


@pytest.fixture
async def result_id(record_drawing: RecordDrawing) -> int:
    return (await record_drawing()).results[0].id


async def _cast(store: Store, result_id: int, user_id: int, kind: str) -> VoteOutcome:
    async with store.write() as session:
        return await cast(session, result_id, user_id, kind)


async def _rows(store: Store) -> list[tuple[int, str]]:
    async with store.read() as session:
        query = select(Vote.user_id, Vote.kind).order_by(Vote.user_id)
        return [(user_id, kind.value) for user_id, kind in (await session.execute(query))]


async def _good_votes(store: Store, result_id: int) -> int:
    async with store.read() as session:
        return (await tallies(session, [result_id]))[result_id][VoteKind.GOOD]


async def test_first_counts_other_kind_replaces_same_kind_takes_back(
    store: Store, result_id: int
) -> None:
    assert await _cast(store, result_id, 1, "good") == "counted"
    assert await _rows(store) == [(1, "good")]
    assert await _cast(store, result_id, 1, "funny") == "changed"
    assert await _rows(store) == [(1, "funny")]
    assert await _cast(store, result_id, 1, "funny") == "withdrawn"
    assert await _rows(store) == []
    assert await _cast(store, result_id, 1, "miss") == "counted"


async def test_a_changed_vote_keeps_when_it_was_cast(store: Store, result_id: int) -> None:
    await _cast(store, result_id, 1, "good")
    await asyncio.sleep(0.01)
    await _cast(store, result_id, 1, "miss")
    async with store.read() as session:
        vote = (await session.scalars(select(Vote))).one()
    assert vote.created_at < vote.updated_at


async def test_people_and_photos_are_counted_apart(
    store: Store, record_drawing: RecordDrawing
) -> None:
    first, second, _ = (await record_drawing()).results
    await _cast(store, first.id, 1, "good")
    await _cast(store, first.id, 2, "good")
    await _cast(store, second.id, 1, "miss")
    async with store.read() as session:
        counted = await tallies(session, [first.id, second.id])
        none = await tallies(session, [])
    assert counted == {
        first.id: {"good": 2, "miss": 0, "funny": 0},
        second.id: {"good": 0, "miss": 1, "funny": 0},
    }
    assert none == {}


async def test_a_result_that_is_gone_says_so(store: Store) -> None:
    with pytest.raises(UnknownResultError):
        await _cast(store, 404, 1, "good")


async def test_an_unknown_kind_is_refused(store: Store, result_id: int) -> None:
    with pytest.raises(ValueError, match="superb"):
        await _cast(store, result_id, 1, "superb")
    assert await _rows(store) == []


INSERT = text(
    "INSERT INTO votes (result_id, user_id, kind, created_at, updated_at)"
    " VALUES (:result, 1, :kind, '2026-01-01', '2026-01-01')"
)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({}, "UNIQUE"),
        ({"result": 404}, "FOREIGN KEY"),
        ({"kind": "superb"}, "CHECK"),
    ],
)
async def test_the_database_itself_refuses_what_must_not_be(
    store: Store, result_id: int, change: dict[str, object], constraint: str
) -> None:
    await _cast(store, result_id, 1, "good")
    with pytest.raises(IntegrityError, match=constraint):
        async with store.write() as session:
            await session.execute(INSERT, {"result": result_id, "kind": "miss"} | change)
    assert await _rows(store) == [(1, "good")]


async def test_fifty_people_at_once_over_several_connections(
    store: Store, url: str, result_id: int
) -> None:
    stores = [store, Store(url), Store(url)]
    outcomes = await asyncio.gather(
        *(_cast(stores[user % 3], result_id, user, "good") for user in range(50))
    )
    assert set(outcomes) == {"counted"}
    assert await _rows(store) == [(user, "good") for user in range(50)]
    assert await _good_votes(store, result_id) == 50
    for other in stores[1:]:
        await other.close()


async def test_one_person_tapping_everything_at_once_has_one_vote(
    store: Store, url: str, result_id: int
) -> None:
    stores = [store, Store(url), Store(url)]
    kinds = ["good", "miss", "funny"]
    outcomes = Counter(
        await asyncio.gather(
            *(_cast(stores[n % 3], result_id, 1, kinds[n // 3 % 3]) for n in range(50))
        )
    )
    rows = await _rows(store)
    assert len(rows) <= 1
    assert outcomes[VoteOutcome.COUNTED] - outcomes[VoteOutcome.WITHDRAWN] == len(rows)
    for other in stores[1:]:
        await other.close()


@contextmanager
def _voting_process(
    url: str, result_id: int, users: list[int]
) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, str(PROCESS), url, str(result_id), "good", *map(str, users)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def _vote_in_processes(url: str, result_id: int, *crowds: list[int]) -> Counter[str]:
    """Let one process a crowd vote, all at once; return their outcomes."""
    with ExitStack() as stack:
        processes = [stack.enter_context(_voting_process(url, result_id, c)) for c in crowds]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = [process.communicate()[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes)
    return Counter("".join(printed).split())


async def test_two_processes_with_the_same_and_different_people(
    store: Store, url: str, result_id: int
) -> None:
    """Person 1 taps an odd number of times, 51 over both; 2..51 once each, 52..61 in both."""
    crowd = [1] * 25 + list(range(2, 27)) + list(range(52, 62))
    other = [1] * 26 + list(range(27, 52)) + list(range(52, 62))
    outcomes = await asyncio.to_thread(_vote_in_processes, url, result_id, crowd, other)
    assert outcomes == {"counted": 26 + 50 + 10, "withdrawn": 25 + 10}
    assert await _rows(store) == [(user, "good") for user in range(1, 52)]
    assert await _good_votes(store, result_id) == 51
    async with store.read() as session:
        assert await session.scalar(select(func.count()).select_from(Vote)) == 51
