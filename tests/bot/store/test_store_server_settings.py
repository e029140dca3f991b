"""Server settings."""

from bot.store import Store
from bot.store.server_settings import change, drawing_channel, get


async def test_a_server_that_chose_nothing_has_defaults_and_no_row(store: Store) -> None:
    async with store.write() as session:
        settings = await get(session, 1)
    assert (settings.guild_id, settings.drawing_channel_id, settings.collections) == (1, None, None)
    async with store.read() as session:
        assert (await get(session, 1)).updated_by is None
        assert await drawing_channel(session, 1) is None


async def test_the_drawing_channel_is_set_changed_and_unset(store: Store) -> None:
    for channel in (2**62, 2**61, None):
        async with store.write() as session:
            await change(session, 1, 5, drawing_channel_id=channel)
        async with store.read() as session:
            assert await drawing_channel(session, 1) == channel
            assert await drawing_channel(session, 2) is None
            assert (await get(session, 1)).updated_by == 5


async def test_one_setting_is_changed_and_the_others_stay(store: Store) -> None:
    async with store.write() as session:
        await change(session, 1, 5, collections=["server-1", "shared"], moderator_role_id=2**62)
    async with store.write() as session:
        await change(session, 1, 6, hall_of_fame_channel_id=7)
    async with store.read() as session:
        settings = await get(session, 1)
    assert settings.collections == ["server-1", "shared"]
    assert (settings.moderator_role_id, settings.hall_of_fame_channel_id) == (2**62, 7)
