"""Write the next migration: `python -m migrations "what changes"`."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from bot.store import migrate
from bot.store.urls import sqlite_url

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('usage: python -m migrations "what changes"')
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "head.db"
        migrate.upgrade(sqlite_url(file))
        number = f"{int(migrate.head()) + 1:04d}"
        with create_engine(f"sqlite:///{file}").connect() as connection:
            command.revision(
                migrate.config(connection), sys.argv[1], autogenerate=True, rev_id=number
            )
