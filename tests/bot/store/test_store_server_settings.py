"""Server settings."""

from bot.store import Store
from bot.store.server_settings import drawing_channel, get, set_drawing_channel


async def test_a_server_that_chose_nothing_has_defaults_and_no_row(store: Store) -> None:
    async with store.write() as session:
        settings = await get(session, 1)
    assert (settings.guild_id, settings.drawing_channel_id, settings.collection) == (1, None, None)
    async with store.read() as session:
        assert (await get(session, 1)).updated_by is None
        assert await drawing_channel(session, 1) is None


async def test_the_drawing_channel_is_set_changed_and_unset(store: Store) -> None:
    for channel in (2**62, 2**61, None):
        async with store.write() as session:
            await set_drawing_channel(session, 1, channel, by=5)
        async with store.read() as session:
            assert await drawing_channel(session, 1) == channel
            assert await drawing_channel(session, 2) is None
            assert (await get(session, 1)).updated_by == 5
