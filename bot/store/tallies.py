"""Votes counted by photo, as a subquery that the rankings share."""

from sqlalchemy import ColumnElement, Integer, Subquery, case, func, select

from bot.store.models import Drawing, Result, Vote, VoteKind


def of(kind: VoteKind) -> ColumnElement[int]:
    """Count the votes of one kind in a group."""
    return func.sum(case((Vote.kind == kind, 1), else_=0), type_=Integer)


def by_result(guild_id: int | None, *, own: bool) -> Subquery:
    """Count the votes on each photo that has any: result_id, good, miss, funny.

    Args:
        guild_id: of this server's drawings; None: of all.
        own: count what artists say of the photos found for their own drawings.
    """
    query = select(
        Vote.result_id,
        of(VoteKind.GOOD).label("good"),
        of(VoteKind.MISS).label("miss"),
        of(VoteKind.FUNNY).label("funny"),
    ).group_by(Vote.result_id)
    if guild_id is not None or not own:
        query = query.join(Result, Result.id == Vote.result_id).join(
            Drawing, Drawing.id == Result.drawing_id
        )
    if guild_id is not None:
        query = query.where(Drawing.guild_id == guild_id)
    if not own:
        query = query.where(Vote.user_id != Drawing.author_id)
    return query.subquery()
