"""From votes to the next encoder: drawn, voted on, exported, judged, promoted, and gone back from.

Two real encoders, the shipped one and the same with damaged weights, on photographs of the starter
gallery. People here vote by the title of what they are shown.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from sqlalchemy import select
from typer.testing import CliRunner

from bot.cli import app
from bot.settings import Settings
from bot.store import votes
from bot.store.models import Drawing, Result, VoteKind
from retrieval import encoders, failure_set, library, starter_gallery
from retrieval.encoder import load_encoder, shipped
from retrieval.home import Home
from tests import drawings
from tests.bot.features.judging import crowd, download
from tests.conftest import World, build_index, open_world
from tests.retrieval.test_encoders import damaged

NOISE = 0.12  # finds half of what it found, enough to be voted good here and there


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*map(str, words), "--device", "cpu"])
    return result.exit_code, result.stdout


async def draw_and_vote(w: World, names: list[str]) -> dict[str, bool]:
    """Let Mia draw and three others vote; returns of each drawing whether anything was right."""
    voters = crowd(w, 3)
    hit: dict[str, bool] = {}
    for name in names:
        picture = (f"{name}.png", drawings.render_png(name))
        await w.mia.slash(w.channel, "match", drawing=picture)
        async with w.services.store.write() as session:
            newest = await session.scalar(select(Drawing.id).order_by(Drawing.id.desc()).limit(1))
            results = await session.scalars(select(Result).where(Result.drawing_id == newest))
            for result in results.all():
                right = drawings.load(name).matches(result.title)
                hit[name] = hit.get(name, False) or right
                for voter in voters:
                    kind = VoteKind.GOOD if right else VoteKind.MISS
                    await votes.cast(session, result.id, voter.id, kind)
    return hit


async def export(w: World, file: Path) -> failure_set.FailureSet:
    sent = await w.moderator.slash(w.channel, "failures export")
    file.write_bytes(download(w, sent.response.attachments[0]))
    return failure_set.read(file)


async def serving(w: World, label: str) -> None:
    async with asyncio.timeout(60):
        while (await w.bot.retrieval.health()).encoder != label:
            await asyncio.sleep(0.1)


async def test_votes_promote_the_better_encoder_and_refuse_the_worse(
    starter_cache: Path, tmp_path: Path
):
    home = Home(tmp_path / "home")
    library.register(home, "shared", starter_gallery.fetch(starter_cache, progress=print))
    noised = damaged(tmp_path / "noised.safetensors", NOISE)
    at_home = ("--home", home.root)
    assert run("encoder", "promote", noised, "--unjudged", *at_home)[0] == 0
    encoder = load_encoder(None, "cpu")
    worse = encoders.load_current(home, "cpu")
    settings = Settings(home=home.root, discord_token=None, device="cpu")
    async with open_world(settings, own_worker=True) as w:
        await build_index(settings.worker_socket)
        before = await draw_and_vote(w, drawings.names())
        exported = await export(w, tmp_path / "worse.zip")
        assert len(exported.cases) == len(before)

        judging = ("evaluate", "--failures", tmp_path / "worse.zip", *at_home)
        out = tmp_path / "out"
        command = (*judging, "--checkpoint", shipped(), "--out", out, "--json")
        status, told = await asyncio.to_thread(run, *command)
        found = json.loads(told)
        print("FOUND", status, found)
        assert (status, found["incumbent"]) == (0, worse.label)
        assert found["verdict"] == "better"
        assert found["difference_interval"][0] > 0
        assert (out / "fixed.png").stat().st_size > 10_000
        assert (out / "broken.png").stat().st_size > 10_000

        promoting = ("encoder", "promote", shipped(), "--failures", tmp_path / "worse.zip")
        status, told = await asyncio.to_thread(run, *promoting, *at_home)
        assert status == 0, told
        await serving(w, encoder.label)
        after = await draw_and_vote(w, drawings.names())
        print(f"something right: {sum(before.values())} before, {sum(after.values())} after")
        assert sum(after.values()) > sum(before.values())

        await export(w, tmp_path / "both.zip")
        refused = ("encoder", "promote", noised, "--failures", tmp_path / "both.zip", *at_home)
        status, told = await asyncio.to_thread(run, *refused)
        assert status == 1
        assert "worse" in told
        assert encoders.current_digest(home) == encoder.digest

        assert (await asyncio.to_thread(run, "encoder", "rollback", *at_home))[0] == 0
        await serving(w, worse.label)
