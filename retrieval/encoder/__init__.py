"""The encoder: canonical sketches and photos to vectors in one space.

Outside this package only what is named here is used; training alone reaches further in.
"""

from retrieval.encoder.agreement import NoCellsError
from retrieval.encoder.checkpoint import EncoderError
from retrieval.encoder.encoder import SHIPPED_DIGEST, Encoder, load_encoder, shipped

__all__ = ["SHIPPED_DIGEST", "Encoder", "EncoderError", "NoCellsError", "load_encoder", "shipped"]
