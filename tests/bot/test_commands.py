"""What the bot offers, as a whole."""

from __future__ import annotations

import subprocess
import sys

import discord

from bot.app import PERMISSIONS, invite_url


async def test_every_feature_loads_and_no_name_is_taken_twice(world):
    async with world as w:
        commands = [command.qualified_name for command in w.bot.tree.walk_commands()]
        menus = w.bot.tree.get_commands(type=discord.AppCommandType.message)
        names = commands + [menu.name for menu in menus]
        assert len(names) == len(set(names))
        assert {"match", "help", "about", "settings", "photos add", "index rebuild"} <= set(names)
        assert sorted(menu.name for menu in menus) == ["Add to photo collection", "Find photos"]


async def test_commands_are_sent_to_discord_only_when_they_changed(settings, world):
    async with world as w:
        known = settings.home / "commands.sha256"
        w.bot._remember_sync = True
        syncs = []
        w.bot.tree.sync = lambda: syncs.append(1) or _nothing()
        await w.bot._sync_commands()
        await w.bot._sync_commands()
        assert len(syncs) == 1
        known.write_text("something else")
        await w.bot._sync_commands()
        assert len(syncs) == 2


async def _nothing() -> None: ...


async def test_the_bot_pings_nobody_and_asks_for_few_rights(world):
    async with world as w:
        assert w.bot.allowed_mentions.to_dict() == {"parse": []}
        assert not w.bot.intents.members
        assert not w.bot.intents.presences
    assert not PERMISSIONS.administrator
    assert not PERMISSIONS.manage_guild
    url = invite_url(123)
    assert "client_id=123" in url
    assert f"permissions={PERMISSIONS.value}" in url


def test_the_bots_process_loads_no_torch_and_no_faiss():
    code = (
        "import bot.app, sys\n"
        "import importlib, bot.features\n"
        "[importlib.import_module(name) for name in bot.features.FEATURES]\n"
        "assert not {'torch', 'faiss', 'torchvision', 'PIL', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
