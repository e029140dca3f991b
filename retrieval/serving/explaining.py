"""What people ask about an answer: what was seen of their drawing, and why a photo was found.

Both take the way of a drawing: decoded in the pool of threads, compared in the encoder's own, which
sees to drawings first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from PIL import Image

from retrieval import agreement_picture, images
from retrieval.embeddings import FloatArray
from retrieval.serving.batching import in_time
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import Canonical, Canonicalise, Explain, Explanation

if TYPE_CHECKING:
    from torch import Tensor

    from retrieval.serving.engine import Engine
    from retrieval.serving.turns import Serving

MAX_AT_ONCE = 8
_RETRY_SECONDS = 3.0
_SKETCH_SIDE = 512  # twice its own, to be looked at

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Pair:
    """A drawing and a photo as the encoder sees them, and ready for it."""

    subject: Image.Image
    photo: Image.Image
    inputs: tuple[Tensor, Tensor]


class Explainer:
    """Answers a few at a time; the others are told to come back."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        """Work in a pool that belongs to somebody else."""
        self._pool = pool
        self._at_work = 0

    async def answer(
        self, serving: Serving, asked: Canonicalise | Explain, deadline: float
    ) -> Canonical | Explanation:
        """Answer one of them.

        Raises:
            RetrievalError: there is no answer, or no room.
            ExpiredError: the deadline passed first.
        """
        if self._at_work >= MAX_AT_ONCE:
            raise RetrievalError("busy", "Too many want to know.", _RETRY_SECONDS)
        self._at_work += 1
        try:
            if isinstance(asked, Canonicalise):
                return await self._run(deadline, partial(_canonical, serving.engine), asked)
            return await self._explain(serving, asked, deadline)
        finally:
            self._at_work -= 1

    async def _explain(self, serving: Serving, asked: Explain, deadline: float) -> Explanation:
        engine = serving.engine
        pair = await self._run(deadline, partial(_prepare, engine), asked)
        maps = await serving.batcher.compare(engine.agreement, pair.inputs, deadline)
        return await self._run(deadline, partial(_explanation, engine, pair), maps)

    async def _run(
        self, deadline: float, function: Callable[[_Argument], _Result], argument: _Argument
    ) -> _Result:
        loop = asyncio.get_running_loop()
        work = partial(in_time, deadline, function, argument)
        return await loop.run_in_executor(self._pool, work)


def _canonical(engine: Engine, asked: Canonicalise) -> Canonical:
    drawing = engine.decode(asked.drawing)
    subject, page = (
        images.encode_png(part.resize((_SKETCH_SIDE, _SKETCH_SIDE)), _SKETCH_SIDE)
        for part in drawing.sketch
    )
    return Canonical(subject, page, drawing.steps)


def _prepare(engine: Engine, asked: Explain) -> _Pair:
    encoder = engine.encoder
    photo = images.decode(engine.photo(asked.collection, asked.photo_id))
    sketch = engine.decode(asked.drawing).sketch
    inputs = encoder.prepare_sketch(sketch), encoder.prepare_photo(photo)
    return _Pair(sketch.subject, encoder.framed_photo(photo), inputs)


def _explanation(engine: Engine, pair: _Pair, maps: FloatArray) -> Explanation:
    of_drawing, of_photo = maps
    picture = agreement_picture.draw(pair.subject, pair.photo, of_drawing, of_photo)
    return Explanation(
        images.encode_jpeg(picture, agreement_picture.WIDTH),
        agreement_picture.place(of_drawing),
        agreement_picture.place(of_photo),
        engine.encoder_label,
    )
