"""Failure cases judge an encoder: the drawings go the live way again, over the same photos.

Two encoders answer each drawing now, the one that serves and the one that wants to; what was
recorded then is only the votes. The arithmetic is :mod:`retrieval.evaluation.acceptance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retrieval import drawings, images
from retrieval.encoder import Encoder
from retrieval.evaluation import intervals
from retrieval.evaluation.acceptance import accept
from retrieval.evaluation.answering import Side, answer
from retrieval.evaluation.findings import Findings
from retrieval.evaluation.material import (
    Progress,
    embed_sketches,
    photo_reader,
    read_cases,
    stocks,
)
from retrieval.failure_set import FailureSet
from retrieval.home import Home


def evaluate_failures(
    home: Home,
    failures: FailureSet,
    candidate: Encoder,
    incumbent: Encoder,
    report: Progress,
    *,
    only_the_file: bool = False,
    seed: int = 0,
) -> Findings:
    """Answer every case with both encoders over its own gallery, and compare.

    Args:
        home: where the galleries are; embeddings that are not known yet are kept there.
        failures: the cases.
        candidate, incumbent: the encoder that is judged, and the one that serves.
        report: told the stage, how much of it is done, and of how much.
        only_the_file: search the photos in the file alone; for where the galleries are not.
        seed: decides what the bootstrap draws.

    Raises:
        GalleryMissingError: none of the galleries is in this home.
        FailureSetError: no case can be used, or the file is damaged.
    """
    asking = read_cases(home, failures, only_the_file=only_the_file)

    def side(encoder: Encoder) -> Side:
        vectors = embed_sketches(asking.asked, encoder, report)
        return Side(encoder, stocks(home, failures, asking.asked, encoder, report), vectors)

    old = side(incumbent)
    new = old if candidate.digest == incumbent.digest else side(candidate)
    answered = [
        answer(one.case, number, old, new, one.names) for number, one in enumerate(asking.asked)
    ]
    files: dict[str, Path] = {}
    for stock in old.stocks.values():
        files |= stock.files
    return Findings(
        encoder=candidate.label,
        incumbent=incumbent.label,
        cases=len(failures.cases),
        unreadable=asking.unreadable,
        elsewhere=asking.elsewhere,
        gone=sum(one.gone for one in answered),
        failures=sum(one.failures for one in answered),
        goods=sum(one.goods for one in answered),
        fixed=tuple(change for one in answered for change in one.fixed),
        broken=tuple(change for one in answered for change in one.broken),
        fixed_interval=_interval([(len(o.fixed), o.failures) for o in answered], seed),
        broken_interval=_interval([(len(o.broken), o.goods) for o in answered], seed),
        acceptance=accept([one.judged for one in answered], seed),
        photo=photo_reader(failures, files),
        drawing=lambda case: drawings.flattened(images.decode(failures.drawing(case))),
    )


def _interval(counts: Sequence[tuple[int, int]], seed: int) -> tuple[float, float] | None:
    hits, of = zip(*counts, strict=True)
    return intervals.share(hits, of, seed=seed)
