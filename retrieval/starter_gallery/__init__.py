"""The starter gallery: the photographs among Tux Paint's stamps, fetched with apt.

What lives here turns one Debian package into a folder of captioned pictures. It knows nothing of
collections, indexes or encoders; whoever calls it gets a folder like any other folder of photos.
"""

from retrieval.starter_gallery.debian import PACKAGE, GalleryUnavailableError
from retrieval.starter_gallery.gallery import fetch, photographs

__all__ = ["PACKAGE", "GalleryUnavailableError", "fetch", "photographs"]
