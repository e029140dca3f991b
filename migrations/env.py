"""Alembic's entry: runs the migrations on the connection `bot.store.migrate` hands over.

It opens no connection of its own and configures no logging.
"""

from typing import Any, Literal

from alembic import context

from bot.store.models import Base, UtcDateTime


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Keep the project's own column types out of migrations: they must outlive the models."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
