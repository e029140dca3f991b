"""The chart of statistics: the size of a phone, every panel drawn, and nobody's text is markup."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from retrieval import plots
from retrieval.reports import EncoderHits, Hardness, Statistics

NOTHING = Statistics((), (), (), (), (), ())
DAYS = tuple(f"2026-11-{day:02}" for day in range(1, 15))


def full(title: str = "Bee") -> Statistics:
    return Statistics(
        DAYS, (9,) * 14, (4,) * 14, (1,) * 14,
        (EncoderHits("one@12345678", 0.5, 0.4, 0.6, 90),), (Hardness(title, 0.9, 0.5, 1.0, 9),),
    )  # fmt: skip


def pixels(statistics: Statistics) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(plots.draw(statistics))).convert("RGB"))


def share_of(colour: str, rows: np.ndarray) -> float:
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    return float((np.abs(rows - wanted).max(axis=2) < 3).mean())


def test_every_panel_is_drawn_in_the_colours_of_dark_mode():
    picture = pixels(full())
    assert picture.shape == (1400, 1000, 3)
    assert share_of("#313338", picture) > 0.6
    votes, encoders, hardest = picture[:440], picture[440:830], picture[830:]
    assert share_of("#56b4e9", votes) > 3 * share_of("#cc79a7", votes) > 0.01
    assert share_of("#56b4e9", encoders) > 0.02 > share_of("#e69f00", encoders) == 0
    assert share_of("#e69f00", hardest) > 0.02


def test_panels_without_votes_say_so():
    picture = pixels(NOTHING)
    for top, bottom in ((90, 440), (520, 830), (910, 1400)):
        assert 0.001 < 1 - share_of("#313338", picture[top:bottom]) < 0.1


@pytest.mark.parametrize(
    "title",
    [
        "$x^2$",
        r"$\frac{1}{0",
        "$",
        "\x00\x1b[31m",
        "\u202eevil",
        "W" * 5000,
        "",
        "\n" * 50,
        "海馬🐴",
        "{}%s",
    ],
)
def test_a_title_of_any_kind_is_drawn_within_its_line(title):
    picture = pixels(full(title))
    assert share_of("#313338", picture[:, :30]) == 1
    assert share_of("#313338", picture[:, 970:]) == 1


def test_a_formula_is_written_as_it_stands():
    assert (pixels(full("$x^2$")) != pixels(full("x²"))).any()
    assert (pixels(full("$$")) != pixels(full(""))).any()


def test_shares_that_are_none_do_no_harm():
    odd = (EncoderHits("a", float("nan"), float("nan"), 2.0, 0), EncoderHits("b", -1, 3, -2, 1))
    assert pixels(Statistics(("1",), (1,), (0,), (0,), odd, ())).any()


def test_threads_draw_the_same_at_once():
    alone = plots.draw(full())
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(plots.draw, [full()] * 8)) == {alone}
