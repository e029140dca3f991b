"""Alembic migrations, applied at start by `bot.store.migrate`.

`python -m migrations "what changes"` writes the next one from the difference between the models and
the newest schema; read it and format it. SQLite alters a table by making it anew, and that table
has AUTOINCREMENT only if told: `table_kwargs={"sqlite_autoincrement": True}`.
"""
