"""Votes that teach: hall of fame, consents, failure notes, blocked members and reports.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up to this revision."""
    op.create_table(
        "consents",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("consent", _one_of("consent", "training", "naming"), nullable=False),
        sa.Column("text_version", sa.Integer(), nullable=False),
        sa.Column("agreed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "consent", name=op.f("pk_consents")),
    )
    op.create_table(
        "blocked_members",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("member_key", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("blocked_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocked_members")),
        sa.UniqueConstraint(
            "guild_id", "member_key", name=op.f("uq_blocked_members_guild_id_member_key")
        ),
    )
    op.create_table(
        "failure_notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("result_id", sa.Integer(), nullable=False),
        sa.Column(
            "note",
            _one_of("note", "nothing_like_it", "orientation", "text", "abusive", "unclear"),
            nullable=False,
        ),
        sa.Column("noted_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["result_id"],
            ["results.id"],
            name=op.f("fk_failure_notes_result_id_results"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failure_notes")),
        sa.UniqueConstraint("result_id", "note", name=op.f("uq_failure_notes_result_id_note")),
    )
    op.create_table(
        "hall_posts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("result_id", sa.Integer(), nullable=True),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("shown", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["result_id"],
            ["results.id"],
            name=op.f("fk_hall_posts_result_id_results"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hall_posts")),
        sa.UniqueConstraint("result_id", name=op.f("uq_hall_posts_result_id")),
    )
    op.create_index(op.f("ix_hall_posts_message_id"), "hall_posts", ["message_id"])
    op.create_table(
        "reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("drawing_id", sa.Integer(), nullable=False),
        sa.Column("reporter_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", _one_of("reason", "drawing", "photo", "other"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["drawing_id"],
            ["drawings.id"],
            name=op.f("fk_reports_drawing_id_drawings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint(
            "drawing_id", "reporter_id", name=op.f("uq_reports_drawing_id_reporter_id")
        ),
    )
    op.create_index(op.f("ix_reports_reporter_id"), "reports", ["reporter_id"])

    # Added in place: made anew, the table would lose its AUTOINCREMENT and what refers to it.
    op.add_column("drawings", sa.Column("message_id", sa.BigInteger(), nullable=True))
    op.add_column("drawings", sa.Column("age_restricted", sa.Boolean(), nullable=True))
    for columns in (["message_id"], ["card_message_id"], ["guild_id", "created_at"]):
        op.create_index(op.f(f"ix_drawings_{'_'.join(columns)}"), "drawings", columns)
    columns = ["result_id", "user_id", "kind"]
    op.create_index(op.f("ix_votes_result_id_user_id_kind"), "votes", columns)
    op.add_column("server_settings", sa.Column("hall_of_fame_votes", sa.Integer()))
    op.add_column("server_settings", sa.Column("reports_channel_id", sa.BigInteger()))
    with op.batch_alter_table("added_photos") as table:
        table.alter_column("added_by", existing_type=sa.BigInteger(), nullable=True)


def downgrade() -> None:
    """Go down to the revision before."""
    op.execute("UPDATE added_photos SET added_by = 0 WHERE added_by IS NULL")
    with op.batch_alter_table("added_photos") as table:
        table.alter_column("added_by", existing_type=sa.BigInteger(), nullable=False)
    for column in ("reports_channel_id", "hall_of_fame_votes"):
        op.drop_column("server_settings", column)
    op.drop_index(op.f("ix_votes_result_id_user_id_kind"), "votes")
    for columns in (["message_id"], ["card_message_id"], ["guild_id", "created_at"]):
        op.drop_index(op.f(f"ix_drawings_{'_'.join(columns)}"), "drawings")
    for column in ("age_restricted", "message_id"):
        op.drop_column("drawings", column)
    for name in ("reports", "hall_posts", "failure_notes", "blocked_members", "consents"):
        op.drop_table(name)


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)
