"""Collections of servers: where photos came from, and what moderators chose.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up to this revision."""
    op.create_table(
        "added_photos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection", sa.String(length=100), nullable=False),
        sa.Column("photo_id", sa.String(length=64), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("attachment_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_added_photos")),
        sa.UniqueConstraint(
            "collection", "photo_id", name=op.f("uq_added_photos_collection_photo_id")
        ),
    )
    for column in ("author_id", "added_by", "message_id", "attachment_id"):
        op.create_index(op.f(f"ix_added_photos_{column}"), "added_photos", [column])
    with op.batch_alter_table("server_settings") as table:
        table.add_column(sa.Column("hall_of_fame_channel_id", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("moderator_role_id", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("collections", sa.JSON(), nullable=True))
    # A name holds nothing that JSON would need escaped.
    if op.get_context().dialect.name == "postgresql":
        op.execute("UPDATE server_settings SET collections = json_build_array(collection)")
        op.execute("UPDATE server_settings SET collections = NULL WHERE collection IS NULL")
    else:
        op.execute("UPDATE server_settings SET collections = '[\"' || collection || '\"]'")
    with op.batch_alter_table("server_settings") as table:
        table.drop_column("collection")


def downgrade() -> None:
    """Go down to the revision before."""
    with op.batch_alter_table("server_settings") as table:
        table.add_column(sa.Column("collection", sa.String(length=100), nullable=True))
        table.drop_column("collections")
        table.drop_column("moderator_role_id")
        table.drop_column("hall_of_fame_channel_id")
    op.drop_table("added_photos")
