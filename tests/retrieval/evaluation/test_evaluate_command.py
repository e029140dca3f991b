"""`magic-pencil evaluate`: one JSON document, a table for people, files, errors as sentences."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from bot.cli import app
from retrieval.evaluation import FIGURES, measure, read
from tests.conftest import ROOT
from tests.retrieval.evaluation.conftest import Folders

BESIDE = {
    "queries",
    "gallery",
    "encoder",
    "distractors",
    "ranking",
    "instance_queries",
    "intervals",
    "bootstrap",
    "categories",
    "not_counted",
    "unreadable",
}


def run(folders: Folders, *arguments: object) -> Result:
    command = ["evaluate", "--sketches", folders.sketches, "--photos", folders.photos, *arguments]
    environment = {"MAGIC_PENCIL_DEVICE": "cpu", "COLUMNS": "80"}
    return CliRunner().invoke(app, [str(item) for item in command], env=environment)


def refused(result: Result) -> str:
    """Return the message of a command that ended as a person's mistake should."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    error = json.loads(result.stdout)["error"]
    assert result.stderr
    return error["message"]


def test_json_is_one_document_with_the_figures_that_were_measured(encoder, folders) -> None:
    result = run(folders, "--distractors", folders.distractors, "--bootstrap", 50, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found.keys() == {*FIGURES, *BESIDE}
    collection = read(folders.sketches, folders.photos, folders.distractors)
    scores = measure(encoder, collection, lambda *_: None).scores
    for figure in FIGURES:
        assert found[figure] == pytest.approx(scores.mean(figure), abs=1e-6)
        low, high = found["intervals"][figure]
        assert low - 1e-9 <= found[figure] <= high + 1e-9
    assert (found["queries"], found["instance_queries"]) == (6, 6)
    assert (found["gallery"], found["distractors"]) == (17, 5)
    assert found["encoder"] == f"{encoder.name}@{encoder.digest[:8]}"
    assert found["bootstrap"] == {"resampled": "queries", "samples": 50, "seed": 0}
    assert [row["queries"] for row in found["categories"]] == [2, 2, 2]
    assert found["not_counted"] == {}
    assert found["unreadable"] == []
    assert found["ranking"] == "shown"
    alone = json.loads(run(folders, "--bootstrap", 0, "--by-similarity", "--json").stdout)
    assert alone["ranking"] == "similarity"


def test_the_seed_decides_the_intervals_and_nothing_else(folders) -> None:
    one, same, other = (
        json.loads(run(folders, "--bootstrap", 40, "--seed", seed, "--json").stdout)
        for seed in (3, 3, 4)
    )
    assert one == same
    different = {key for key in one if one[key] != other[key]}
    assert different == {"intervals", "bootstrap"}
    none = json.loads(run(folders, "--bootstrap", 0, "--json").stdout)
    assert set(none["intervals"].values()) == {None}


def test_people_get_a_table_and_files_and_hostile_pictures_are_named(
    own_folders, spoil, tmp_path
) -> None:
    reasons = spoil(own_folders)
    (own_folders.sketches / "ship").mkdir()
    (own_folders.sketches / "fish" / "fish_0-1.png").rename(
        own_folders.sketches / "ship" / "ship_0-1.png"
    )
    out = tmp_path / "new [folder]" / "report"
    result = run(own_folders, "--distractors", own_folders.distractors, "--out", out)
    assert result.exit_code == 0, result.output
    text = result.stdout
    for words in ("mAP@200", "own photo within its category: recall@1", "95 % interval", "hammer"):
        assert words in text
    assert "1 drawings of ship: there is no photo of it" in text
    for name, reason in reasons.items():
        line = next(line for line in text.splitlines() if name in line)
        assert reason in line
    with (out / "categories.csv").open(encoding="utf-8", newline="") as file:
        assert {row["category"] for row in csv.DictReader(file)} == {"apple", "fish", "hammer"}
    with Image.open(out / "best-and-worst.png") as image:
        image.load()
        assert image.format == "PNG"
        assert image.width > 1000
    assert "best-and-worst.png" in result.stderr.replace("\n", "")
    assert out.is_dir()


def test_with_out_and_json_stdout_is_json_alone(folders, tmp_path) -> None:
    result = run(folders, "--out", tmp_path / "out", "--bootstrap", 10, "--json")
    assert json.loads(result.stdout)["queries"] == 6
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "best-and-worst.png",
        "categories.csv",
    }


def test_where_no_photo_was_drawn_the_recalls_are_null(own_folders) -> None:
    for drawing in list(own_folders.sketches.glob("*/*")):
        drawing.rename(drawing.with_name(drawing.name.replace("_0-", "_")))
    found = json.loads(run(own_folders, "--bootstrap", 10, "--json").stdout)
    assert found["instance_queries"] == 0
    for figure in FIGURES:
        assert (found[figure] is None) == ("recall" in figure)
        assert (found["intervals"][figure] is None) == ("recall" in figure)
    assert "–" in run(own_folders, "--bootstrap", 10).stdout


def test_another_checkpoint_is_measured_and_one_that_is_none_is_refused(
    encoder, folders, tmp_path
) -> None:
    (weights,) = (ROOT / "retrieval" / "encoder" / "weights").glob(f"{encoder.name}.safetensors")
    same = json.loads(run(folders, "--checkpoint", weights, "--bootstrap", 0, "--json").stdout)
    assert same["encoder"] == f"{encoder.name}@{encoder.digest[:8]}"
    for content in (b"", b"no checkpoint"):
        (tmp_path / "bad.safetensors").write_bytes(content)
        message = refused(run(folders, "--checkpoint", tmp_path / "bad.safetensors", "--json"))
        assert "bad.safetensors" in message
    assert "gone" in refused(run(folders, "--checkpoint", tmp_path / "gone", "--json"))


def test_folders_that_cannot_be_measured_are_refused_with_what_is_expected(
    folders, tmp_path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for sketches, photos, words in (
        (empty, folders.photos, "CATEGORY/PICTURE"),
        (folders.sketches, empty, "CATEGORY/PICTURE"),
        (folders.sketches / "fish", folders.photos, "CATEGORY/PICTURE"),
        (folders.sketches, tmp_path / "gone", "is not a folder"),
    ):
        message = refused(run(Folders(sketches, photos, empty), "--json"))
        assert words in message
    other = tmp_path / "photos"
    (other / "Fish").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(other / "Fish" / "a.png")
    message = refused(run(Folders(folders.sketches, other, empty), "--json"))
    assert "no category in common" in message
    assert "photos of Fish" in message
    assert "distractors" in refused(run(folders, "--distractors", empty, "--json"))
    plain = run(Folders(empty, empty, empty))
    assert plain.exit_code == 1
    assert plain.stdout == ""
    assert plain.stderr.startswith("Error:")


def test_out_that_is_a_file_is_refused_before_the_work(folders, tmp_path) -> None:
    (tmp_path / "file").touch()
    result = run(folders, "--out", tmp_path / "file", "--json")
    assert "file" in refused(result)
    assert "Photos" not in result.stderr


def test_help_says_which_denominator(tmp_path: Path) -> None:
    nowhere = Folders(tmp_path, tmp_path, tmp_path)
    text = " ".join(run(nowhere, "--help").stdout.split())
    assert "min(R, 200)" in text
    for option in ("--distractors", "--checkpoint", "--device", "--json", "--out", "--seed"):
        assert option in text
