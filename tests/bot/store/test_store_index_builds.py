"""The history of index builds."""

from bot.store import Store, index_builds
from bot.store.models import BuildState


async def test_builds_are_recorded_from_start_to_outcome(store: Store) -> None:
    async with store.write() as session:
        good = await index_builds.start(session, "stamps", guild_id=1, requested_by=5)
        bad = await index_builds.start(session, "stamps")
        await index_builds.start(session, "other")
    assert good.state == BuildState.RUNNING
    async with store.write() as session:
        await index_builds.finish(
            session,
            good.id,
            generation="g1",
            photos=400,
            added=10,
            unchanged=390,
            unreadable=2,
            seconds=1.5,
        )
        await index_builds.fail(session, bad.id, "x" * 2000)
    async with store.read() as session:
        newest, oldest = await index_builds.latest(session, "stamps", 5)
        assert [b.id for b in await index_builds.latest(session, "stamps")] == [bad.id]
    assert (newest.id, newest.state, len(newest.error or "")) == (bad.id, "failed", 500)
    assert (oldest.id, oldest.state, oldest.generation) == (good.id, "done", "g1")
    assert (oldest.photos, oldest.added, oldest.unchanged, oldest.unreadable) == (400, 10, 390, 2)
    assert oldest.seconds == 1.5
    assert oldest.finished_at is not None
    assert oldest.finished_at >= oldest.started_at


async def test_builds_of_a_dead_process_are_failed_at_start(store: Store) -> None:
    async with store.write() as session:
        dead = await index_builds.start(session, "stamps")
        done = await index_builds.start(session, "stamps")
        await index_builds.fail(session, done.id, "no photos")
    async with store.write() as session:
        assert await index_builds.abandon_running(session) == 1
        assert await index_builds.abandon_running(session) == 0
    async with store.read() as session:
        errors = {b.id: b.error for b in await index_builds.latest(session, "stamps", 5)}
    assert "stopped" in (errors[dead.id] or "")
    assert errors[done.id] == "no photos"
