"""A drawing as people send it to the canonical sketch that the encoder was trained on.

`paper` finds what is paper and what is ink, `sheet` cuts out the page, `clutter` takes away what is
not the drawing, `canonical` frames what remains, `judgement` says when it is no drawing at all.
No torch and no files in here; OpenCV is given pixels and decodes nothing.
"""

import cv2

from retrieval.sketches.canonical import (
    CANONICAL_VERSION,
    INK_SHARE,
    SKETCH_SIZE,
    BlankDrawingError,
    CanonicalSketch,
    Traced,
    canonicalise,
    trace,
)
from retrieval.sketches.judgement import NotADrawingError, Reason
from retrieval.sketches.paper import background

# Pictures are small here, and torch needs the cores: threads of OpenCV's would fight with it.
cv2.setNumThreads(1)

__all__ = [
    "CANONICAL_VERSION",
    "INK_SHARE",
    "SKETCH_SIZE",
    "BlankDrawingError",
    "CanonicalSketch",
    "NotADrawingError",
    "Reason",
    "Traced",
    "background",
    "canonicalise",
    "trace",
]
