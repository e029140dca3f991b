"""The commands that need no Discord: one JSON document, the right status, sentences for people."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from bot.cli import app
from retrieval import library
from retrieval.home import Home
from retrieval.serving.client import RetrievalClient
from tests import drawings
from tests.conftest import ROOT


@pytest.fixture
def fish(tmp_path: Path) -> Path:
    path = tmp_path / "fish.png"
    path.write_bytes(drawings.render_png("fish"))
    return path


def run(home: Home, *arguments: object) -> Result:
    """Run a command in this process, where torch is loaded once."""
    environment = {"MAGIC_PENCIL_HOME": str(home.root), "MAGIC_PENCIL_DEVICE": "cpu"}
    return CliRunner().invoke(app, [str(item) for item in arguments], env=environment)


def document(result: Result) -> dict:
    return json.loads(result.stdout)  # refuses a second document, or a word beside it


def refused(result: Result) -> dict:
    """Return the error of a command that ended as a person's mistake should."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    error = document(result)
    assert error.keys() == {"error"}
    assert error["error"].keys() == {"code", "message"}
    assert result.stderr
    return error["error"]


def test_match_prints_one_json_document_as_a_process_and_agrees_with_the_worker(worker, fish):
    run = subprocess.run(
        [sys.executable, "-m", "bot.cli", "match", str(fish), "-k", "4", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"MAGIC_PENCIL_HOME": str(worker.home.root), "COLUMNS": "40"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    printed = json.loads(run.stdout)
    assert printed.keys() == {
        "matches", "confidence", "generation", "encoder", "timings_ms",
    }  # fmt: skip
    assert printed["timings_ms"]["total"] > 0

    async def ask():
        client = RetrievalClient(worker.socket)
        try:
            return await client.match(fish.read_bytes(), ("shared",), k=4)
        finally:
            await client.close()

    answer = asyncio.run(ask())
    assert (printed["generation"], printed["encoder"]) == (answer.generation, answer.encoder)
    assert len(printed["matches"]) == 4
    for rank, (one, other) in enumerate(zip(printed["matches"], answer.matches, strict=True), 1):
        assert one["rank"] == rank
        assert one["photo"] == other.photo
        assert one["title"] == other.title
        assert one["score"] == pytest.approx(other.score, abs=2e-4)


def test_a_folder_is_indexed_matched_looked_at_and_indexed_again(tmp_path, pictures, fish):
    home = Home(tmp_path / "home")
    photos = tmp_path / "photos"
    shutil.copytree(pictures, photos)
    odd = photos / "odd [red] ["  # names that rich would take for its markup
    odd.mkdir()
    (odd / "b].jpg").write_bytes((photos / "picture_01.jpg").read_bytes() + b"\0")
    (odd / "broken].png").write_bytes(b"broken")

    built = document(run(home, "index", "build", photos, "--collection", "mine", "--json"))
    assert (built["photos"], built["added"], built["collection"]) == (13, 13, "mine")
    assert [item["photo"] for item in built["unreadable"]] == ["odd [red] [/broken].png"]

    status = document(run(home, "index", "status", "--json"))["collections"]
    assert [one["name"] for one in status] == ["mine"]
    assert (status[0]["photos"], status[0]["problem"]) == (13, None)
    assert status[0]["generation"] == built["generation"]

    sheet = tmp_path / "new folder" / "sheet.png"
    shown = run(home, "match", fish, "--collection", "mine", "-k", 13, "--out", sheet)
    assert shown.exit_code == 0, shown.output
    assert "A *red* thing" in shown.stdout
    assert "odd [red] [/b].jpg" in shown.stdout
    with Image.open(sheet) as image:
        assert image.format == "PNG"
        assert image.width > 400

    again = run(home, "index", "build", photos, "--collection", "mine")
    assert again.exit_code == 0, again.output
    assert "0 new, 13 unchanged" in again.stdout.replace("\n", " ")
    assert "odd [red] [/broken].png" in again.stdout
    assert "13 photos" in run(home, "index", "status").stdout


def test_an_index_is_checked_and_gone_back_from(tmp_path, pictures):
    home = Home(tmp_path / "home")
    photos = tmp_path / "photos"
    shutil.copytree(pictures, photos)
    first = document(run(home, "index", "build", photos, "--json"))["generation"]
    assert run(home, "index", "rollback", "shared").exit_code == 1
    (photos / "picture_03.jpg").unlink()
    second = document(run(home, "index", "build", photos, "--json"))["generation"]
    assert f"kept: {first}, 12 photos" in run(home, "index", "status").stdout
    assert "All 2 generations" in run(home, "index", "verify", "shared").stdout
    assert f"{first} serves now" in run(home, "index", "rollback", "shared").stdout
    status = document(run(home, "index", "status", "--json"))["collections"][0]
    assert (status["generation"], status["photos"]) == (first, 12)
    assert f"{second} serves now" in run(home, "index", "rollback", "shared", second).stdout
    nothing = run(home, "index", "cancel", "shared")
    assert (nothing.exit_code, "No build of shared" in nothing.stderr) == (1, True)
    file = home.collection("shared") / "generations" / first / "index.faiss"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    damaged = run(home, "index", "verify", "shared")
    assert damaged.exit_code == 1
    assert "1 of 2 generations are damaged" in damaged.stderr
    assert run(home, "index", "rollback", "shared", first).exit_code == 1
    unknown = run(home, "index", "verify", "nobody")
    assert (unknown.exit_code, "no collection 'nobody'" in unknown.stderr) == (1, True)


def test_with_json_the_contact_sheet_is_written_and_only_json_is_printed(worker, tmp_path, fish):
    sheet = tmp_path / "[b]sheet.png"
    result = run(worker.home, "match", fish, "--json", "--out", sheet)
    assert len(document(result)["matches"]) == 5
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert "[b]sheet.png" in result.stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("drawing", "code"),
    [("gone [/x].png", "file"), ("text.png", "not_an_image"), ("blank.png", "blank")],
)
def test_a_drawing_that_cannot_be_matched_is_an_error_in_json_and_in_words(
    worker, tmp_path, drawing, code
):
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (99, 99), "white").save(tmp_path / "blank.png")
    result = run(worker.home, "match", tmp_path / drawing, "--json")
    assert refused(result)["code"] == code
    plain = run(worker.home, "match", tmp_path / drawing)
    assert plain.exit_code == 1
    assert plain.stdout == ""
    assert plain.stderr.startswith("Error:")


def test_where_nothing_is_indexed_the_way_to_an_index_is_said(tmp_path, fish):
    error = refused(run(Home(tmp_path / "home"), "match", fish, "--json"))
    assert error["code"] == "no_index"
    assert "magic-pencil index build" in error["message"]


@pytest.mark.parametrize("name", ["../up", "Big", ""])
def test_a_collection_name_that_is_none_is_refused(worker, fish, pictures, name):
    for command in (["match", fish], ["index", "build", pictures]):
        error = refused(run(worker.home, *command, "--collection", name, "--json"))
        assert "cannot name a collection" in error["message"]


def test_a_folder_without_pictures_is_refused_and_registers_nothing(tmp_path):
    home = Home(tmp_path / "home")
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "gone"):
        assert refused(run(home, "index", "build", tmp_path / folder, "--json"))["code"] == "file"
    assert library.names(home) == []


def test_status_of_nothing_is_an_empty_list_and_a_hint_for_people(tmp_path):
    home = Home(tmp_path / "home")
    assert document(run(home, "index", "status", "--json")) == {"collections": []}
    assert "index build" in run(home, "index", "status").stderr


def test_health_of_a_worker_and_of_none(worker, tmp_path):
    healthy = run(worker.home, "health", "--json")
    assert healthy.exit_code == 0
    assert document(healthy)["ready"] is True
    assert "ready on cpu" in run(worker.home, "health").stdout
    assert refused(run(Home(tmp_path), "health", "--json"))["code"] == "worker_gone"


def test_help_answers_without_loading_torch():
    code = """
import sys
from bot.cli import app
for command in ("match", "index", "evaluate", "worker", "health"):
    try:
        app([command, "--help"])
    except SystemExit as end:
        assert not end.code
assert not {"torch", "faiss"} & set(sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("Usage") == 5
