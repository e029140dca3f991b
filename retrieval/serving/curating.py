"""What moderators ask of a collection, done on its files: the worker's half of /photos and /index.

Nothing here needs the encoder. A change to the photos is found by the next build.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from retrieval import drawings, embeddings, images, index, library, plots, thumbnails
from retrieval.curation import (
    KEPT_SECONDS,
    Curation,
    KeptPhoto,
    NotKeptError,
    UnknownPhotoError,
    kept_collections,
)
from retrieval.home import Home
from retrieval.library import Sidecar
from retrieval.reports import (
    AddedPhoto,
    ChangedPhotos,
    Done,
    ListedPhoto,
    PhotoPage,
    PicturesReply,
    PlotReply,
    VerifyReport,
)
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import (
    AddPhoto,
    CancelBuild,
    ChangePhotos,
    Curating,
    EditPhoto,
    Keeping,
    ListPhotos,
    Pictures,
    Plot,
    ReplyBody,
    RollBack,
    Showing,
    Verify,
)

MAX_PAGE: Final = 25
_PHOTO_ID: Final = re.compile(r"[0-9a-f]{64}")


def curate(home: Home, request: Curating | Keeping | Showing) -> ReplyBody:
    """Do what was asked.

    Raises:
        RetrievalError: it cannot be done, and why.
    """
    try:
        return _DOING[type(request)](home, request)
    except images.ImageError as error:
        raise RetrievalError(error.reason, str(error)) from error
    except library.UnknownCollectionError as error:
        raise RetrievalError("unknown_collection", str(error)) from error
    except NotKeptError as error:
        raise RetrievalError("not_yours", str(error)) from error
    except UnknownPhotoError as error:
        raise RetrievalError("unknown_photo", str(error)) from error
    except index.GenerationError as error:
        raise RetrievalError("unknown_generation", str(error)) from error
    except index.BuildRunningError as error:
        raise RetrievalError("build_running", str(error)) from error


def _add(home: Home, asked: AddPhoto) -> AddedPhoto:
    about = Sidecar(asked.title, asked.credit)
    photo_id, new = Curation(home, asked.collection).add(asked.data, about)
    return AddedPhoto(photo_id, asked.title, new)


def _edit(home: Home, asked: EditPhoto) -> Done:
    library.find(home, asked.collection)
    Curation(home, asked.collection).edit(asked.photo_id, asked.title, asked.credit)
    return Done()


def _change(home: Home, asked: ChangePhotos) -> ChangedPhotos:
    library.find(home, asked.collection)
    curation = Curation(home, asked.collection)
    if asked.to == "restored":
        return ChangedPhotos(tuple(curation.restore(asked.photo_ids)))
    if asked.to == "removed":
        return ChangedPhotos(tuple(curation.remove(asked.photo_ids)))
    folder = home.collection(asked.collection)
    index.mark_erased(folder)
    erased = curation.erase(asked.photo_ids)
    forget(home, asked.photo_ids)
    index.mark_erased(folder)  # again: a build that began meanwhile may have seen them
    return ChangedPhotos(tuple(erased))


def forget(home: Home, photo_ids: Iterable[str]) -> None:
    """Delete what was computed of photos that are gone for good."""
    ids = list(photo_ids)
    for photo_id in ids:
        thumbnails.forget(home, photo_id)
    embeddings.forget_everywhere(home.embeddings, ids)


def expire(home: Home) -> int:
    """Delete photos that were taken away long ago, in every collection; returns how many."""
    gone = 0
    for name in kept_collections(home):
        expired = Curation(home, name).expire()
        forget(home, expired)
        gone += len(expired)
    return gone


def _list(home: Home, asked: ListPhotos) -> PhotoPage:
    curation = Curation(home, asked.collection)
    found = curation.removed() if asked.removed else curation.photos(asked.words)
    page = found[max(asked.offset, 0) :][: min(max(asked.limit, 0), MAX_PAGE)]
    return PhotoPage(tuple(_listed(home, photo, asked) for photo in page), len(found))


def _listed(home: Home, photo: KeptPhoto, asked: ListPhotos) -> ListedPhoto:
    thumbnail = b""
    if asked.pictures:
        with contextlib.suppress(OSError, images.ImageError):  # still worth naming
            thumbnail = thumbnails.read(home, photo.photo_id, photo.path)
    until = photo.since + KEPT_SECONDS if asked.removed else None
    return ListedPhoto(photo.photo_id, photo.title, photo.credit, thumbnail, until)


def _cancel(home: Home, asked: CancelBuild) -> Done:
    library.find(home, asked.collection)
    if not index.cancel(home.collection(asked.collection)):
        raise RetrievalError("no_build", "No build of these photos is running.")
    return Done()


def _roll_back(home: Home, asked: RollBack) -> Done:
    library.find(home, asked.collection)
    index.roll_back(home.collection(asked.collection), asked.generation)
    return Done()


def _verify(home: Home, asked: Verify) -> VerifyReport:
    library.find(home, asked.collection)
    return index.verify(home, asked.collection)


def _pictures(home: Home, asked: Pictures) -> PicturesReply:
    return PicturesReply(
        tuple(_harmless(drawing, asked.side) for drawing in asked.drawings),
        tuple(_thumbnail(home, photo_id) for photo_id in asked.photos),
    )


def _harmless(upload: bytes, side: int) -> bytes:
    try:
        return images.encode_png(drawings.flattened(images.decode(upload)), side)
    except images.ImageError:
        return b""


def _thumbnail(home: Home, photo_id: str) -> bytes:
    if not _PHOTO_ID.fullmatch(photo_id):  # it becomes a path
        return b""
    try:
        return thumbnails.read(home, photo_id, None)
    except OSError:
        return b""


def _plot(_: Home, asked: Plot) -> PlotReply:
    return PlotReply(plots.draw(asked.statistics))


_DOING: Final[dict[type, Callable[[Home, Any], ReplyBody]]] = {
    AddPhoto: _add,
    EditPhoto: _edit,
    ChangePhotos: _change,
    ListPhotos: _list,
    CancelBuild: _cancel,
    RollBack: _roll_back,
    Verify: _verify,
    Pictures: _pictures,
    Plot: _plot,
}
