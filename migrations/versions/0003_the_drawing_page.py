"""The drawing page: strokes beside the drawing, links that were opened.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None

_BEFORE = ("slash", "message_command", "mention", "channel")


def upgrade() -> None:
    """Go up to this revision."""
    with op.batch_alter_table("drawings", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("strokes", sa.JSON(), nullable=True))
        table.alter_column(
            "source",
            existing_type=_sources(*_BEFORE),
            type_=_sources(*_BEFORE, "draw"),
            existing_nullable=False,
        )
    op.create_table(
        "draw_links",
        sa.Column("nonce", sa.String(length=32), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drawing_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_draw_links")),
    )


def downgrade() -> None:
    """Go down to the revision before."""
    op.drop_table("draw_links")
    op.execute("UPDATE drawings SET source = 'slash' WHERE source = 'draw'")
    with op.batch_alter_table("drawings", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.drop_column("strokes")
        table.alter_column(
            "source",
            existing_type=_sources(*_BEFORE, "draw"),
            type_=_sources(*_BEFORE),
            existing_nullable=False,
        )


def _sources(*values: str) -> sa.Enum:
    return sa.Enum(*values, name="source", native_enum=False, create_constraint=True, length=16)
