"""What the bot remembers: drawings, their results, votes, server settings, index builds.

Here live the tables, the connection to them, one module of queries an aggregate, the files that
drawings are kept in, migrations and backup. Nothing here knows Discord, an image or a model: ids
and bytes come in, rows and dataclasses go out.
"""

from bot.store.engine import Store
from bot.store.urls import StoreError, sqlite_url

__all__ = ["Store", "StoreError", "sqlite_url"]
