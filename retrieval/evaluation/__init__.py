"""How good an encoder is: drawings and photos in folders, in; figures of retrieval quality, out.

`metrics` ranks and scores embeddings and is what training measures with too; around it stand the
reading of folders, the bootstrap and the report. Nothing here trains or serves.
"""

from retrieval.evaluation.failure_pictures import render_changes
from retrieval.evaluation.failures import evaluate_failures
from retrieval.evaluation.findings import Findings, findings_document
from retrieval.evaluation.folders import Collection, Picture, Unreadable, read
from retrieval.evaluation.intervals import Intervals, bootstrap
from retrieval.evaluation.material import GalleryMissingError
from retrieval.evaluation.measure import Measurement, measure
from retrieval.evaluation.metrics import (
    FIGURES,
    UNKNOWN,
    Embedded,
    Scores,
    evaluate,
    rank,
    rank_as_shown,
)
from retrieval.evaluation.pictures import render
from retrieval.evaluation.report import (
    CategoryRow,
    category_rows,
    document,
    left_out,
    tables,
    write_csv,
)

__all__ = [
    "FIGURES",
    "UNKNOWN",
    "CategoryRow",
    "Collection",
    "Embedded",
    "Findings",
    "GalleryMissingError",
    "Intervals",
    "Measurement",
    "Picture",
    "Scores",
    "Unreadable",
    "bootstrap",
    "category_rows",
    "document",
    "evaluate",
    "evaluate_failures",
    "findings_document",
    "left_out",
    "measure",
    "rank",
    "rank_as_shown",
    "read",
    "render",
    "render_changes",
    "tables",
    "write_csv",
]
