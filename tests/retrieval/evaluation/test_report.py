"""What a measurement is turned into: rows, a document, a table, a CSV file and a picture."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops
from rich.console import Console
from rich.text import Text

from retrieval.evaluation import (
    bootstrap,
    category_rows,
    document,
    left_out,
    render,
    tables,
    write_csv,
)
from retrieval.evaluation.folders import Picture, Unreadable
from retrieval.evaluation.measure import Measurement
from retrieval.evaluation.metrics import FIGURES, UNKNOWN, Embedded, evaluate
from retrieval.evaluation.pictures import choose
from tests import drawings


def made_up(asked, ranked, folder: Path = Path("there"), *, drawn: bool = False) -> Measurement:
    """Make a measurement of rankings that are given: categories asked, categories found.

    Photo number p of the gallery is ``p.png``; every drawing ranks a gallery of its own, and below
    it stand the other drawings' photos.
    """
    gallery = [category for line in ranked for category in line]
    names = sorted({*asked, *gallery} - {None})
    rows, place = np.zeros((len(asked), len(gallery))), 0
    for row, line in enumerate(ranked):
        for rank, _ in enumerate(line):
            rows[row, place] = len(line) - rank
            place += 1
    instances = np.arange(len(gallery)) if drawn else np.full(len(gallery), UNKNOWN)
    scores = evaluate(
        Embedded(rows, [names.index(name) for name in asked], instances[: len(asked)]),
        Embedded(
            np.eye(len(gallery)),
            [UNKNOWN if name is None else names.index(name) for name in gallery],
            instances,
        ),
    )
    return Measurement(
        encoder="network@01234567",
        ranking="similarity",
        scores=scores,
        drawings=tuple(
            Picture(folder / f"{number}-1.png", name, str(number))
            for number, name in enumerate(asked)
        ),
        gallery=tuple(
            Picture(folder / f"{number}.png", name, None if name is None else str(number))
            for number, name in enumerate(gallery)
        ),
        not_counted={"ship [x]": 3},
        unreadable=(Unreadable("odd [/b].png", "This file is empty."),),
    )


ANIMALS = made_up(
    ["ant", "ant", "ant", "ant", "bee", "cow"],
    [
        ["cow", "ant"],
        ["bee", "ant"],
        ["bee", "ant"],
        ["cow", "ant"],
        ["bee", "bee"],
        [None, "cow"],
    ],
)


def test_rows_are_the_worst_first_and_name_what_was_found_instead() -> None:
    rows = {row.category: row for row in category_rows(ANIMALS)}
    assert list(rows) == sorted(rows, key=lambda name: rows[name].map)
    assert [(row.queries, row.hit_at_1, row.hit_at_5) for row in rows.values()].count(
        (4, 0, 1)
    ) == 1
    # The bee and the cow both stood first twice: the first by name.
    assert (rows["ant"].mistaken_for, rows["ant"].times) == ("bee", 2)
    assert (rows["bee"].mistaken_for, rows["bee"].times, rows["bee"].hit_at_1) == (None, 0, 1)
    assert (rows["cow"].mistaken_for, rows["cow"].times) == ("(distractor)", 1)
    ant = ANIMALS.scores.values["map"][:4].mean()
    assert rows["ant"].map == pytest.approx(ant)


def test_the_document_has_the_figures_flat_and_null_where_there_are_none() -> None:
    intervals = bootstrap(ANIMALS.scores, ANIMALS.labels, 100, 4)
    found = document(ANIMALS, intervals)
    for figure in FIGURES:
        mean = ANIMALS.scores.mean(figure)
        if "recall" in figure:
            assert math.isnan(mean)
            assert found[figure] is found["intervals"][figure] is None
        else:
            assert found[figure] == mean
            low, high = found["intervals"][figure]
            assert low <= mean <= high
    assert (found["queries"], found["instance_queries"]) == (6, 0)
    assert (found["gallery"], found["distractors"]) == (12, 1)
    assert found["bootstrap"] == {"resampled": "queries", "samples": 100, "seed": 4}
    assert found["not_counted"] == {"ship [x]": 3}


def test_the_table_for_people_says_it_all_and_takes_no_name_for_markup() -> None:
    measurement = made_up(["[b]ant"], [["[b]ant", None]], drawn=True)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(tables(measurement, bootstrap(measurement.scores, ["[b]ant"], 50, 0)))
    text = captured.get()
    for words in ("mAP@200", "own photo: recall@1", "1.000 to 1.000", "[b]ant", "1 distractors"):
        assert words in text
    assert "samples of queries, seed 0" in text


def test_what_was_left_out_is_a_line_each() -> None:
    assert [Text.from_markup(line).plain for line in left_out(ANIMALS)] == [
        "Not counted: 3 drawings of ship [x]: there is no photo of it.",
        "Left out: odd [/b].png: This file is empty.",
    ]


def test_the_csv_file_has_a_row_for_each_category(tmp_path) -> None:
    write_csv(ANIMALS, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["category"] for row in rows] == [row.category for row in category_rows(ANIMALS)]
    bee = next(row for row in rows if row["category"] == "bee")
    assert (bee["queries"], bee["hit_at_1"], bee["mistaken_for"], bee["times"]) == (
        "1",
        "1.0",
        "",
        "0",
    )


def test_the_best_and_the_worst_are_one_a_category_and_none_twice() -> None:
    names = list("abcdefg")
    asked = [name for name in names for _ in range(2)]
    # Drawing n finds its photo at rank n + 1, so average precision falls from drawing to drawing.
    ranked = [["x"] * row + [name] for row, name in enumerate(asked)]
    measurement = made_up(asked, ranked)
    best, worst = choose(measurement)
    precision = measurement.scores.values["map"]
    assert len(best) == len(worst) == 4
    assert best == [0, 2, 4, 6]
    assert worst == [13, 11, 9, 7]
    assert sorted(precision[best])[0] > sorted(precision[worst])[-1]
    assert choose(made_up(["a"], [["a"]])) == ([0], [])


GREEN, RED = "#2da44e", "#b3261e"


def extent(sheet: Image.Image, colour: str) -> list[int]:
    """Return the columns in which the colour stands, the first of each run."""
    different = ImageChops.difference(sheet, Image.new("RGB", sheet.size, colour)).convert("L")
    there = (np.asarray(different) == 0).sum(axis=0) > 100
    return np.flatnonzero(there[1:] & ~there[:-1]).tolist()


def test_right_photos_are_framed_green_and_wrong_ones_red(tmp_path) -> None:
    for number in range(5):
        Image.new("RGB", (60, 90 - 15 * number), "#336699").save(tmp_path / f"{number}.png")
    drawings.render("fish").save(tmp_path / "0-1.png")
    sheet = render(made_up(["ant"], [["bee", "ant", None, "ant", "bee"]], tmp_path, drawn=True))
    green, red = extent(sheet, GREEN), extent(sheet, RED)
    # Each frame has a left and a right side: two of five are right, the second and the fourth.
    assert (len(green), len(red)) == (4, 6)
    sides = sorted([*((x, "green") for x in green), *((x, "red") for x in red)])
    assert [colour for _, colour in sides[::2]] == ["red", "green", "red", "green", "red"]


def test_any_shape_and_name_of_a_picture_fits_its_row(tmp_path) -> None:
    sizes = []
    for name, shape in (("a", (400, 400)), ("W" * 300, (1, 3000)), ("象 \x1b[31m", (3000, 2))):
        Image.new("RGB", shape, "#336699").save(tmp_path / "0.png")
        drawings.render("fish").resize((800, 300)).save(tmp_path / "0-1.png")
        sheet = render(made_up([name], [[name]], tmp_path))
        edge = sheet.crop((sheet.width - 34, 0, sheet.width, sheet.height))
        assert len(edge.getcolors()) == 1  # nothing runs out of the row
        sizes.append(sheet.size)
    assert len(set(sizes)) == 1
