"""Statistics of votes as one picture that can be read on a phone, in Discord's dark mode.

matplotlib, without a window and without pyplot; it is imported when the first picture is drawn.
Titles are people's own text: nothing in them is taken as markup.
"""

from __future__ import annotations

import io
import threading
import unicodedata
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from retrieval.reports import Statistics

_BACKGROUND, _TEXT, _QUIET, _GRID = "#313338", "#f2f3f5", "#c4c9ce", "#4b4e55"
# Okabe and Ito 2008: told apart by everybody, and light enough for a dark ground.
_GOOD, _MISS, _FUNNY = "#56b4e9", "#e69f00", "#cc79a7"
_WIDTH, _HEIGHT, _DPI = 1000, 1400, 100
# A phone shows the picture 390 points wide, .39 of its pixels: 42 pixels are seen as 16.
_TEXT_SIZE: Final = 42 * 72 / _DPI
_TITLE_SIZE: Final = 46 * 72 / _DPI
_MARGIN: Final = 36  # pixels
_MOST_DAYS, _MOST_ENCODERS, _MOST_HARD = 31, 3, 5

# From the top, in pixels: where a panel begins, and how high what is drawn in it is.
_VOTES, _ENCODERS, _HARDEST = (24, 230), (446, 246), (840, 410)

_Row = tuple[str, int, float, float, float]  # title, judged, share, low, high

# matplotlib's fonts and caches belong to the process.
_lock = threading.Lock()


def draw(statistics: Statistics) -> bytes:
    """Draw votes by day, the hit rate by encoder and what is hardest; a PNG of 1000 × 1400."""
    from matplotlib import rc_context  # noqa: PLC0415 - takes half a second and 30 MB
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    style: dict[Any, Any] = {
        "font.family": "DejaVu Sans", "font.size": _TEXT_SIZE, "text.color": _TEXT,
        "text.parse_math": False, "axes.facecolor": _BACKGROUND, "axes.edgecolor": _GRID,
        "axes.spines.top": False, "axes.spines.right": False, "grid.color": _GRID,
        "axes.axisbelow": True, "xtick.color": _GRID, "xtick.labelcolor": _QUIET,
        "ytick.color": _GRID, "ytick.labelcolor": _QUIET,
    }  # fmt: skip
    with _lock, rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks: they become boxes
        size = (_WIDTH / _DPI, _HEIGHT / _DPI)
        figure = Figure(figsize=size, dpi=_DPI, facecolor=_BACKGROUND)
        FigureCanvasAgg(figure)
        _votes(figure, statistics)
        encoders = [(e.label, e.judged, e.hit, e.low, e.high) for e in statistics.encoders]
        axes = _panel(figure, "Good matches by encoder", _ENCODERS)
        _shares(axes, encoders[::-1][:_MOST_ENCODERS], _MOST_ENCODERS, _GOOD)
        hardest = [(h.title, h.judged, h.miss, h.low, h.high) for h in statistics.hardest]
        axes = _panel(figure, "Hardest to draw: misses", _HARDEST)
        _shares(axes, hardest[:_MOST_HARD], _MOST_HARD, _MISS)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _panel(figure: Figure, title: str, place: tuple[int, int], left: int = 0) -> Axes:
    """Write a title and return the axes below it; `left` pixels stay free beside them."""
    top, height = place
    y = 1 - top / _HEIGHT
    figure.text(_MARGIN / _WIDTH, y, title, size=_TITLE_SIZE, weight="bold", va="top")
    width = _WIDTH - 2 * _MARGIN - left
    bottom = _HEIGHT - top - 70 - height
    return figure.add_axes(
        ((_MARGIN + left) / _WIDTH, bottom / _HEIGHT, width / _WIDTH, height / _HEIGHT)
    )


def _votes(figure: Figure, statistics: Statistics) -> None:
    """Stack the votes of each day."""
    days = statistics.days[-_MOST_DAYS:]
    kinds = [
        ("good", _GOOD, statistics.good[-_MOST_DAYS:]),
        ("miss", _MISS, statistics.miss[-_MOST_DAYS:]),
        ("funny", _FUNNY, statistics.funny[-_MOST_DAYS:]),
    ]
    axes = _panel(figure, "Votes by day", _VOTES, left=80)
    if not any(sum(counts) for _, _, counts in kinds):
        return _nothing(axes, "No votes yet: press a button\nbelow a match.", left=80)
    base = [0.0] * len(days)
    for name, colour, counts in kinds:
        axes.bar(range(len(days)), counts, bottom=base, color=colour, width=0.8, label=name)
        base = [below + count for below, count in zip(base, counts, strict=True)]
    few = sorted({0, (len(days) - 1) // 2, len(days) - 1})
    # The year is more than a phone has room for three times.
    axes.set_xticks(few, [_plain(days[place])[-5:] for place in few])
    if len(few) > 1:
        axes.get_xticklabels()[0].set_horizontalalignment("left")
        axes.get_xticklabels()[-1].set_horizontalalignment("right")
    axes.tick_params(axis="x", pad=14)  # away from the 0 beside them
    axes.set_xlim(-0.8, max(len(days), 7) - 0.2)
    axes.set_ylim(0, max(base))
    axes.locator_params(axis="y", integer=True, nbins=3)
    axes.grid(axis="y")
    for at, (name, colour, _) in zip((0.40, 0.61, 0.80), kinds, strict=True):
        y = 1 - _VOTES[0] / _HEIGHT
        figure.text(at, y, "■", color=colour, va="top")
        figure.text(at + 0.045, y, name, va="top")
    return None


def _shares(axes: Axes, rows: Sequence[_Row], room: int, colour: str) -> None:
    """Draw a bar with an interval for each row, its title above it, from the top."""
    if not rows:
        return _nothing(axes, "Too few votes to tell yet.")
    axes.set(xlim=(0, 1), ylim=(room, 0), yticks=[])
    axes.set_xticks((0, 0.5, 1), ("0 %", "50 %", "100 %"))
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    for row, (title, judged, *told) in enumerate(rows):
        share, low, high = (min(1.0, max(0.0, value)) for value in told)
        axes.barh(row + 0.8, share, color=colour, height=0.3)
        errors = [[max(0.0, share - low)], [max(0.0, high - share)]]
        axes.errorbar(
            share, row + 0.8, xerr=errors, fmt="none",
            ecolor=_TEXT, elinewidth=4, capsize=7, capthick=4,
        )  # fmt: skip
        votes = axes.text(1, row + 0.54, f"{judged:,} judged", ha="right", color=_QUIET)
        _fitted(axes, row + 0.54, _plain(title), 0.97 - _width(votes))
    return None


def _fitted(axes: Axes, y: float, line: str, width: float) -> None:
    """Write a line from the left that takes at most that share of the axes' width."""
    text = axes.text(0, y, line)
    while line and _width(text) > width:
        line = line[:-1]
        text.set_text(line.rstrip() + "…")


def _width(text: Any) -> float:
    """Return a text's share of its axes' width."""
    return float(text.get_window_extent().width / text.axes.get_window_extent().width)


def _nothing(axes: Axes, text: str, left: int = 0) -> None:
    axes.set_axis_off()
    at = -left / (_WIDTH - 2 * _MARGIN - left)
    axes.text(at, 0.75, text, transform=axes.transAxes, va="center", color=_QUIET)


def _plain(text: str) -> str:
    """Return one line of at most 60 letters, without control characters."""
    kept = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text[:200])
    return " ".join(kept.split())[:60]
