"""The ``magic-pencil`` command: run, bot, demo and db here; retrieval's commands are mounted.

What takes long to import is imported where it is used: `magic-pencil health` runs every minute.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from dotenv import load_dotenv
from pydantic import ValidationError

from bot.settings import Settings
from bot.store import Store, StoreError, migrate
from bot.store import backup as store_backup
from retrieval import commands
from retrieval.console import fail, reported_errors, watch
from retrieval.reports import PicturesReply

if TYPE_CHECKING:
    from bot.failure_export import Exported

app = typer.Typer(
    name="magic-pencil",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # they could hold a token
    help="A Discord bot that answers rough drawings with the photographs that look most like them."
    "\n\nFirst steps: `magic-pencil index build FOLDER` indexes a folder of photos, "
    "`magic-pencil match DRAWING` tries it, `magic-pencil run` starts the bot.",
)
db_app = typer.Typer(no_args_is_help=True, help="Look after the database of drawings and votes.")
failures_app = typer.Typer(no_args_is_help=True, help="What votes call a failure.")

HOW_TO_START = """\
1. Make a bot: https://discord.com/developers/applications → New Application → Bot → Reset Token, \
then set DISCORD_TOKEN to that token (or write it to a file .env).
2. On the same page, switch on the Message Content intent if you want a drawing channel; \
everything else works without it.
3. Invite it, with View Channel, Send Messages, Attach Files and Read Message History: {invite}"""


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"MAGIC_PENCIL_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()
        ]
        fail("settings", "; ".join(lines), as_json=False)


def _run(*, own_worker: bool) -> None:
    import aiohttp
    import discord

    from bot import app as bot_app
    from bot import logs, web

    settings = _settings()
    if settings.discord_token is None:
        watch.print(
            HOW_TO_START.format(invite=bot_app.invite_url("YOUR_APPLICATION_ID")),
            soft_wrap=True,
            highlight=False,
        )
        raise typer.Exit(2)
    logs.configure(settings)
    token = settings.discord_token.get_secret_value()
    try:
        asyncio.run(bot_app.run(settings, token, own_worker=own_worker, beside=web.serve))
    except web.ListenError as error:
        fail("page", str(error), as_json=False)
    except discord.LoginFailure:
        fail("token", "Discord does not know this token. Reset it in the portal.", as_json=False)
    except discord.PrivilegedIntentsRequired:
        fail("intents", "The Message Content intent was just switched off; start again.", False)
    except aiohttp.ClientError as error:
        fail("network", f"Discord cannot be reached: {error}", as_json=False)
    except StoreError as error:
        fail("database", str(error), as_json=False)


@app.command()
def run() -> None:
    """Run the bot together with its worker: all that one machine needs."""
    _run(own_worker=True)


@app.command()
def bot() -> None:
    """Run the bot alone; its worker runs elsewhere (`magic-pencil worker`) on the same socket."""
    _run(own_worker=False)


@app.command()
def demo(
    photos: Annotated[
        Path | None, typer.Option(help="A folder of pictures, instead of the starter gallery.")
    ] = None,
    once: Annotated[
        Path | None, typer.Option(help="Match this drawing and end, without a server.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where --once writes its contact sheet.")] = Path(
        "matches.png"
    ),
    port: Annotated[int, typer.Option(envvar="PORT", help="The page's port.")] = 8080,
) -> None:
    """Try the real bot against an offline Discord in the browser. Needs no token and no account."""
    from bot import demo as bot_demo

    settings = _settings()
    if once is None:
        bot_demo.check_port(port)
    with reported_errors(as_json=False):
        bot_demo.prepare(settings, photos)
        if once is not None:
            bot_demo.once(settings, once, out)
        else:
            bot_demo.serve(settings, port)


@db_app.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to this version's schema. `run` and `bot` do so when they start."""

    settings = _settings()
    try:
        before = migrate.current(settings.store_url)
        migrate.upgrade(settings.store_url)
    except StoreError as error:
        fail("database", str(error), as_json=False)
    after = migrate.head()
    watch.print("Up to date." if before == after else f"Upgraded to {after}.", highlight=False)


@db_app.command("backup")
def db_backup(
    file: Annotated[Path, typer.Argument(help="Where to write the copy.")],
    force: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Copy the database to a file, also while the bot is running."""

    try:
        store_backup.backup(_settings().store_url, file, overwrite=force)
    except StoreError as error:
        fail("database", str(error), as_json=False)
    watch.print(f"Wrote {file}.", highlight=False)


@failures_app.command("export")
def failures_export(
    out: Annotated[Path, typer.Option(help="The zip to write.")] = Path("failures.zip"),
    server: Annotated[
        int | None, typer.Option(help="Only this server's; its id.", show_default="all")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Write what members judged to a file that names nobody, to judge the next encoder by.

    It holds the drawings with a photo that votes call right or a failure, the photos that were
    found, ranks, scores, votes as counts, moderators' notes and a datasheet; no ids of servers,
    messages or people. `magic-pencil evaluate --failures FILE` and `magic-pencil encoder promote`
    read it (docs/failures.md).
    """
    from bot import failure_export

    settings = _settings()
    with reported_errors(as_json=False):
        if out.exists() and not force:
            raise FileExistsError(f"{out} exists. Choose another name, or --force.")
        try:
            with watch.status("Looking through the votes…"):
                exported = asyncio.run(_export(settings, out, server))
        except StoreError as error:
            fail("database", str(error), as_json=False)
    if not exported.cases:
        watch.print("Nothing is judged by its votes yet: the file holds no case.")
    watch.print(failure_export.told(exported), highlight=False)
    watch.print(f"Wrote {out}.", highlight=False, soft_wrap=True)


async def _export(settings: Settings, out: Path, guild_id: int | None) -> Exported:
    from bot import failure_export
    from retrieval.serving.curating import curate
    from retrieval.serving.messages import Pictures

    async def pictures(
        drawings: tuple[bytes, ...], photos: tuple[str, ...], side: int
    ) -> PicturesReply:
        reply = await asyncio.to_thread(curate, settings.data, Pictures(drawings, photos, side))
        assert isinstance(reply, PicturesReply)  # noqa: S101 - what Pictures is answered with
        return reply

    async with Store.open(settings.store_url) as store:
        return await failure_export.export(settings, store, pictures, out, guild_id=guild_id)


app.add_typer(db_app, name="db")
app.add_typer(failures_app, name="failures")
# Retrieval's own commands stand beside ours; with no name they are not a group of their own.
app.add_typer(commands.app)


def main() -> None:
    """Run the command, with what a file ``.env`` in the working folder sets."""
    load_dotenv(Path(".env"))
    app()


if __name__ == "__main__":
    main()
