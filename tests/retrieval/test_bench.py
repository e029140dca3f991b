"""The benches print what decides, and their ratios mean what they say."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from bot.cli import app
from retrieval.bench import encode
from retrieval.encoder import Encoder
from retrieval.sketches import CanonicalSketch
from tests.conftest import shared_data
from tests.retrieval.test_encoders import noised

__all__ = ["noised"]  # a fixture

KEYS = {"sketch_over_bare", "photo_over_bare", "sketch_ms_median"}


def test_encode_prints_its_ratios_as_json() -> None:
    result = CliRunner().invoke(
        app,
        ["bench", "encode", "--json", "--photos", "16", "--rounds", "3", "--device", "cpu"],
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) >= KEYS
    assert 0 < found["sketch_ms_median"] < 5000
    # So few rounds beside other tests say little; the next test says that they can tell.
    assert 0.2 < found["sketch_over_bare"] < 5
    assert 0.2 < found["photo_over_bare"] < 5
    assert found["photos_per_second"] > 0


def test_what_is_done_around_the_network_is_in_the_ratios(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sketch, photo = Encoder.prepare_sketch, Encoder.prepare_photo

    def slow_sketch(encoder: Encoder, drawn: CanonicalSketch) -> torch.Tensor:
        time.sleep(0.3)
        return sketch(encoder, drawn)

    def slow_photo(encoder: Encoder, image: Image.Image) -> torch.Tensor:
        time.sleep(1)
        return photo(encoder, image)

    monkeypatch.setattr(Encoder, "prepare_sketch", slow_sketch)
    monkeypatch.setattr(Encoder, "prepare_photo", slow_photo)
    found = encode.measure(None, "cpu", tmp_path, 4, 3, compare=False)
    assert found.sketch_ms_median > 300
    assert found.sketch_over_bare > 1.15
    assert found.photo_over_bare < 0.8


def test_taking_turns_gives_the_median_of_each() -> None:
    slow, fast = encode.in_turns([lambda: time.sleep(0.03), lambda: time.sleep(0.01)], 5)
    assert slow / fast == pytest.approx(3, rel=0.4)


def test_the_photographs_are_files_like_those_on_the_web(tmp_path: Path) -> None:
    files = encode.make_photos(tmp_path / "photos", 3)
    assert [file.read_bytes()[:2] for file in files] == [b"\xff\xd8"] * 3
    assert len({file.read_bytes() for file in files}) == 3


def test_index_prints_its_ratios_as_json() -> None:
    result = CliRunner().invoke(
        app, ["bench", "index", "--json", "--photos", "100", "--device", "cpu"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["photos"] == 100
    assert 0 < found["rebuild_unchanged_over_first"] < 0.3
    assert 0 < found["findable_s"] < 10
    assert 0.2 < found["matching_during_rebuild_over_idle"] < 10  # beside other tests


@pytest.mark.parametrize(("vectors", "factory"), [(2000, "IDMap2,Flat"), (51_000, "IVF")])
def test_search_prints_its_figures_and_its_peers_as_json(vectors: int, factory: str) -> None:
    result = CliRunner().invoke(
        app, ["bench", "search", "--json", "--vectors", str(vectors), "--dim", "32"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["factory"].startswith(factory)
    assert found["recall_at_10"] > 0.9
    assert 0 < found["median_ms"] < 1000
    assert found["memory_mb"] > 0
    peers = found["peers"]
    assert set(peers) == {"IndexFlatIP", "usearch (HNSW, half precision)"}
    assert peers["IndexFlatIP"]["recall_at_10"] == 1


def test_acceptance_tells_a_damaged_encoder_from_the_one_that_ships(
    noised: Path, tmp_path: Path
) -> None:
    data = shared_data()
    if data is None:
        pytest.skip("no data here")
    # Fewer photos than are shown, so that the better one has failures, too.
    for kind, count in (("sketch", 12), ("photo", 4)):
        for category in sorted((data / "sketchy-mini" / kind).iterdir())[::8]:
            (tmp_path / kind / category.name).mkdir(parents=True)
            for file in sorted(category.iterdir())[:count]:
                shutil.copy(file, tmp_path / kind / category.name)
    result = CliRunner().invoke(
        app,
        [
            *("bench", "acceptance", "--json", "--data", str(tmp_path)),
            *("--checkpoint", str(noised), "--cases", "140", "--rounds", "2", "--device", "cpu"),
        ],
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    better, worse = sorted(found["pairs"], key=lambda pair: -pair["truth"])
    assert better["truth"] > 0.05
    assert worse["truth"] < 0
    assert worse["estimate"] < 0
    # What the damaged one shows may hold too few good photos to tell anything by.
    assert better["estimate"] is None or better["estimate"] > 0
    assert (found["accepted_worse"], found["refused_better"]) == (0, 0)
    assert sum(sum(kind.values()) for kind in found["verdicts"]["140"].values()) == 4


def test_acceptance_without_data_says_so(tmp_path: Path) -> None:
    words = ["bench", "acceptance", "--data", str(tmp_path / "x"), "--checkpoint", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "Error" in result.output
