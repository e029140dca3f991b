"""The whole way from a drawing's bytes to matched photos, in one process and without waiting.

The worker puts queues and batches around it; the command line calls it as it is, so both give the
same matches.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from torch import Tensor

from retrieval import (
    confidence,
    drawings,
    hubness,
    images,
    index,
    library,
    ranking,
    sketches,
    thumbnails,
)
from retrieval.embeddings import FloatArray
from retrieval.encoder import Encoder, NoCellsError
from retrieval.home import Home
from retrieval.reports import BuildReport, CollectionStatus, Progress
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import Confidence, MatchedPhoto, Matches

# The drawing as the result card shows it.
DRAWING_SIDE = 720
_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class PreparedDrawing:
    """A drawing ready for the encoder, and as it may be shown again."""

    network_input: Tensor
    shown: bytes  # PNG, bounded, without metadata
    milliseconds: float


class Engine:
    """An encoder and the indexes that it searches. Safe to use from several threads."""

    def __init__(self, home: Home, encoder: Encoder) -> None:
        """Keep the encoder; indexes are opened when they are first asked for."""
        self.home = home
        self.encoder = encoder
        self._calibration = confidence.load(encoder.calibration, encoder.digest)
        self._open: dict[str, index.Generation] = {}
        self._opening = threading.Lock()
        # Embeddings of the last drawings: what an index that is not exact is measured with.
        self._asked: deque[FloatArray] = deque(maxlen=_REMEMBERED)
        # Measured: one query over 1e5 vectors takes 9 ms on one thread and 44 ms on two.
        faiss.omp_set_num_threads(1)

    @property
    def encoder_label(self) -> str:
        """The encoder's name and the start of its digest."""
        return self.encoder.label

    def match(self, drawing: bytes, collections: Sequence[str], k: int) -> Matches:
        """Find the ``k`` photos that look most like a drawing.

        Raises:
            RetrievalError: the upload is no drawing, or there is no index to search.
        """
        prepared = self.prepare(drawing)
        started = time.perf_counter()
        vector = self.encoder.embed_sketches([prepared.network_input])[0]
        return self.search(prepared, vector, collections, k, _milliseconds(started))

    def prepare(self, drawing: bytes) -> PreparedDrawing:
        """Decode and canonicalise an upload.

        Raises:
            RetrievalError: it is not a picture that we read, or no drawing.
        """
        started = time.perf_counter()
        decoded = self.decode(drawing)
        network_input = self.encoder.prepare_sketch(decoded.sketch)
        shown = images.encode_png(decoded.flattened(), DRAWING_SIDE)
        return PreparedDrawing(network_input, shown, _milliseconds(started))

    @staticmethod
    def decode(drawing: bytes) -> drawings.Drawing:
        """Decode and canonicalise an upload. Raises RetrievalError."""
        try:
            return drawings.decode(drawing)
        except (images.ImageError, sketches.NotADrawingError) as error:
            raise RetrievalError(error.reason, str(error)) from error

    def agreement(self, pair: Sequence[Tensor]) -> FloatArray:
        """Say where a prepared sketch and a prepared photo agree, (2, rows, columns).

        Raises:
            RetrievalError: this encoder cannot tell.
        """
        try:
            return self.encoder.agreement(pair)
        except NoCellsError as error:
            raise RetrievalError("no_cells", str(error)) from error

    def search(
        self,
        prepared: PreparedDrawing,
        vector: FloatArray,
        collections: Sequence[str],
        k: int,
        encode_ms: float,
    ) -> Matches:
        """Search the collections together for one embedding, shape (dim,).

        Raises:
            RetrievalError: none of the collections has an index of this encoder.
        """
        started = time.perf_counter()
        self._asked.append(vector)
        opened = self._generations(collections)
        searches: list[ranking.Neighbours[str]] = []  # the first is for the drawing itself
        found: dict[str, tuple[index.Generation, index.Hit]] = {}

        def by_similarity(query: FloatArray, count: int) -> ranking.Neighbours[str]:
            hits = [(of, hit) for of in opened for hit in of.search(query, count)]
            hits.sort(key=lambda pair: -pair[1].score)
            near: dict[str, FloatArray] = {}  # a photo of two collections is found once
            for of, hit in hits:
                near.setdefault(hit.photo.photo_id, hit.vector)
                found.setdefault(hit.photo.photo_id, (of, hit))
            return ranking.Neighbours(list(near), np.stack(list(near.values())))

        by_score = self.encoder.hubness.by_score(by_similarity)

        def best(query: FloatArray, count: int) -> ranking.Neighbours[str]:
            searches.append(by_score(query, count))
            return searches[-1]

        asked = hubness.extended_queries(vector[None])[0]
        ranked = [found[key] for key in ranking.order(asked, best, k, self.encoder.compared)]
        search_ms = _milliseconds(started)
        matches = tuple(
            self._matched(rank, float(hit.vector @ vector), of.manifest.collection, hit.photo)
            for rank, (of, hit) in enumerate(ranked, start=1)
        )
        return Matches(
            matches=matches,
            confidence=self._confidence(asked, searches[0].vectors) if matches else None,
            drawing=prepared.shown,
            generation="+".join(generation.manifest.generation for generation in opened),
            encoder=self.encoder_label,
            timings_ms={
                "prepare": prepared.milliseconds,
                "encode": encode_ms,
                "search": search_ms,
                "total": round(prepared.milliseconds + encode_ms + _milliseconds(started), 2),
            },
        )

    def photo(self, collection: str, photo_id: str) -> bytes:
        """Return the thumbnail of a photo that can be found in a collection.

        Raises:
            RetrievalError: it cannot, or its file is gone.
        """
        (generation,) = self._generations([collection])
        found = generation.photos.find(photo_id)
        thumbnail = self._thumbnail(collection, found) if found else b""
        if not thumbnail:
            raise RetrievalError("unknown_photo", f"{collection} has no photo {photo_id}.")
        return thumbnail

    def _confidence(self, vector: FloatArray, pool: FloatArray) -> Confidence | None:
        """Say how sure a search is, None if the encoder was never calibrated."""
        if self._calibration is None or len(pool) < confidence.LEAST:
            return None
        figures = confidence.figures(vector, pool, self.encoder.compared)
        probability = float(self._calibration.probability(figures))
        return Confidence(confidence.level(probability), round(probability, 3))

    def build(
        self,
        collection: str,
        report: Callable[[Progress], None],
        embedder: index.Embedder | None = None,
        *,
        full: bool = False,
        staged: bool = False,
    ) -> BuildReport:
        """Build and publish a collection's next generation (see :func:`retrieval.index.build`).

        Raises:
            RetrievalError: it cannot be built; the old generation serves on.
        """
        try:
            with_wishes = index.Wishes(full=full, staged=staged, asked=self._drawings_asked)
            return index.build(self.home, collection, embedder or self.encoder, report, with_wishes)
        except index.BuildRunningError as error:
            raise RetrievalError("build_running", str(error)) from error
        except index.BuildCancelledError as error:
            raise RetrievalError("build_cancelled", str(error)) from error
        except library.DescriptionError as error:
            raise RetrievalError("bad_descriptions", str(error)) from error
        except index.NoPhotosError as error:
            raise RetrievalError("no_photos", str(error)) from error
        except library.UnknownCollectionError as error:
            raise RetrievalError("unknown_collection", str(error)) from error

    def lacks(self, collection: str) -> bool:
        """Say whether a collection can be searched, but not with this encoder."""
        try:
            manifest = index.read_manifest(self.home.collection(collection), self.encoder.digest)
        except index.GenerationError:
            return True
        return manifest is not None and manifest.encoder != self.encoder.digest

    def _drawings_asked(self) -> FloatArray | None:
        asked = list(self._asked)
        return np.stack(asked) if asked else None

    def status(self, collections: Sequence[str]) -> tuple[CollectionStatus, ...]:
        """Say what each collection holds and which generation serves; of none given, of all."""
        names = collections or library.names(self.home)
        return tuple(index.status(self.home, name, self.encoder.digest) for name in names)

    def _generations(self, collections: Sequence[str]) -> list[index.Generation]:
        opened = []
        problem = RetrievalError("no_index", "None of the photo collections has been built yet.")
        for name in collections:
            try:
                generation = self._current(name)
            except index.EncoderMismatchError as error:
                problem = RetrievalError("other_encoder", str(error))
            except index.GenerationError as error:
                problem = RetrievalError("bad_index", str(error))
            else:
                if generation is not None:
                    opened.append(generation)
        if not opened:
            raise problem
        return opened

    def _current(self, name: str) -> index.Generation | None:
        """Return the generation that serves, opened anew when another one was published."""
        folder = self.home.collection(name)
        current = index.current_id(folder, self.encoder.digest)
        with self._opening:
            generation = self._open.get(name)
            if current is None:
                return None
            if generation is None or generation.manifest.generation != current:
                generation = index.open_current(folder, self.encoder.digest)
                if generation is None:
                    return None
                self._open[name] = generation
        manifest = generation.manifest
        ours = (self.encoder.digest, self.encoder.preprocessing)
        if (manifest.encoder, manifest.preprocessing) != ours:
            raise index.EncoderMismatchError(
                f"The index of {name} was built by the encoder {manifest.encoder_name}; rebuild it."
            )
        return generation

    def _matched(
        self, rank: int, score: float, collection: str, photo: index.IndexedPhoto
    ) -> MatchedPhoto:
        return MatchedPhoto(
            rank=rank,
            photo=photo.name,
            photo_id=photo.photo_id,
            collection=collection,
            title=photo.title,
            credit=photo.credit,
            score=round(score, 4),
            thumbnail=self._thumbnail(collection, photo),
        )

    def _thumbnail(self, collection: str, photo: index.IndexedPhoto) -> bytes:
        """Return a photo's thumbnail, empty if its file is gone: it is still worth naming."""
        try:
            original = Path(library.find(self.home, collection).source) / photo.name
            return thumbnails.read(self.home, photo.photo_id, original)
        except (OSError, images.ImageError, library.UnknownCollectionError):
            return b""


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
