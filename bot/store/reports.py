"""What members reported to moderators: one report a person and card."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store.models import Report, ReportReason


async def file(
    session: AsyncSession, drawing_id: int, reporter_id: int, reason: ReportReason
) -> bool:
    """Keep a report; returns False if this person has reported this card already."""
    known = select(Report.id).where(
        Report.drawing_id == drawing_id, Report.reporter_id == reporter_id
    )
    if await session.scalar(known) is not None:
        return False
    session.add(Report(drawing_id=drawing_id, reporter_id=reporter_id, reason=reason))
    await session.flush()
    return True
