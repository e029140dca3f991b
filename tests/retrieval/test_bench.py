"""The benches print what decides, and their ratios mean what they say."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from retrieval.bench import encode

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
    assert found["sketch_over_bare"] > 0
    assert found["photo_over_bare"] > 0
    assert found["photos_per_second"] > 0


def test_taking_turns_gives_the_median_of_each() -> None:
    slow, fast = encode.in_turns([lambda: time.sleep(0.03), lambda: time.sleep(0.01)], 5)
    assert slow / fast == pytest.approx(3, rel=0.4)


def test_the_photographs_are_files_like_those_on_the_web(tmp_path: Path) -> None:
    files = encode.make_photos(tmp_path / "photos", 3)
    assert [file.read_bytes()[:2] for file in files] == [b"\xff\xd8"] * 3
    assert len({file.read_bytes() for file in files}) == 3
