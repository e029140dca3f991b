"""A run goes on to the same result wherever it was stopped, and keeps its best."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from retrieval.encoder import checkpoint, load_encoder
from retrieval.training import state
from retrieval.training.examples import Examples, Part
from retrieval.training.loop import Run, Schedule
from retrieval.training.recipes import Options

from .conftest import make

World = tuple[Examples, dict[str, Part]]


def begin(
    folder: Path,
    world: World,
    options: Options,
    steps: int = 6,
    kind: str = "triplet-class",
    **changes: object,
) -> Run:
    recipe = make(kind, world, options)
    schedule = Schedule(steps, validate_every=2, save_every=2, **changes)  # type: ignore[arg-type]
    metadata = checkpoint.Metadata(name="tiny", network=recipe.network.spec, recipe="test")
    scores = iter([{"score": 0.5}, {"score": 0.9}, {"score": 0.7}])
    return Run(folder, recipe, schedule, metadata, lambda network: next(scores))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(folder: Path) -> list[dict[str, object]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{**json.loads(line), "seconds": None} for line in lines]


def stop_after(run: Run, step: int) -> None:
    for progress in run.train():
        if progress.step == step:
            return


@pytest.mark.parametrize("kind", ["triplet-class", "trunk", "modern"])
@pytest.mark.parametrize("stopped_at", [1, 2, 3, 5])
def test_a_stopped_run_goes_on_to_the_same_result(
    stopped_at: int, kind: str, world: World, options: Options, tmp_path: Path
) -> None:
    whole = begin(tmp_path / "whole", world, options, kind=kind)
    list(whole.train())
    stop_after(begin(tmp_path / "halves", world, options, kind=kind), stopped_at)
    torch.rand(5)  # what was drawn meanwhile does not matter
    again = begin(tmp_path / "halves", world, options, kind=kind)
    assert again.step == (stopped_at - 1) // 2 * 2  # stopped before that step's state was saved
    again.validate = lambda network: {"score": {2: 0.5, 4: 0.9, 6: 0.7}[again.step]}
    list(again.train())
    for one, other in zip(whole.modules.values(), again.modules.values(), strict=True):
        found = other.state_dict()
        assert all(torch.equal(value, found[key]) for key, value in one.state_dict().items())
    last = "last.safetensors"
    assert digest(tmp_path / "whole" / last) == digest(tmp_path / "halves" / last)
    assert rows(tmp_path / "whole") == rows(tmp_path / "halves")


def test_the_best_checkpoint_is_kept_and_serves(
    world: World, options: Options, tmp_path: Path
) -> None:
    run = begin(tmp_path, world, options)
    figures = [progress.figures for progress in run.train() if progress.figures]
    assert [row["score"] for row in figures] == [0.5, 0.9, 0.7]
    assert digest(tmp_path / "best.safetensors") != digest(tmp_path / "last.safetensors")
    encoder = load_encoder(tmp_path / "best.safetensors", "cpu")
    assert (encoder.name, encoder.dim, encoder.sketch_size) == ("tiny", 8, 64)
    with Image.open(tmp_path / "curve.png") as curve:
        assert curve.size == (900, 450)


def test_a_finished_run_does_nothing_more(world: World, options: Options, tmp_path: Path) -> None:
    list(begin(tmp_path, world, options).train())
    before = digest(tmp_path / "last.safetensors"), rows(tmp_path)
    assert list(begin(tmp_path, world, options).train()) == []
    assert (digest(tmp_path / "last.safetensors"), rows(tmp_path)) == before


def test_a_state_of_another_kind_is_refused(world: World, options: Options, tmp_path: Path) -> None:
    list(begin(tmp_path, world, options, steps=2).train())
    run = begin(tmp_path / "other", world, options, steps=2)
    with pytest.raises(ValueError, match="another kind of run"):
        state.load(tmp_path / "state.safetensors", {"recipe": torch.nn.Linear(2, 2)}, run.optimizer)


def test_the_rate_rises_and_falls_but_sketchys_is_constant() -> None:
    schedule = Schedule(steps=100, validate_every=100)
    factors = [schedule.factor(step) for step in range(100)]
    assert max(factors) == factors[9] == pytest.approx(1)
    assert factors[0] == pytest.approx(0.1)
    assert factors[-1] < 0.001
    assert factors[9:] == sorted(factors[9:], reverse=True)
    assert {Schedule(9, 9, solver="sketchy").factor(step) for step in range(9)} == {1.0}


def test_sketchys_solver_is_the_released_one(
    world: World, options: Options, tmp_path: Path
) -> None:
    optimizer = begin(tmp_path, world, options, solver="sketchy").optimizer
    assert isinstance(optimizer, torch.optim.SGD)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (1e-5, 0.9, 5e-4)


def test_a_loss_that_is_no_number_stops_with_advice(
    world: World, options: Options, tmp_path: Path
) -> None:
    run = begin(tmp_path, world, options)
    run.recipe.network.sketch.heads[0].bias.data.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="lower --rate"):
        list(run.train())


@pytest.fixture
def command(shapes: Path, weights_file: Path, tmp_path: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "bot.cli", "train", "--recipe", "triplet"),
        *(
            "--data",
            str(shapes),
            "--out",
            str(tmp_path / "run"),
            "--cache",
            str(tmp_path / "cache"),
        ),
        *("--backbone", "test_efficientnet", "--weights", str(weights_file), "--size", "64"),
        *("--dim", "8", "--batch", "4", "--steps", "120", "--validate-every", "60"),
        *("--unseen-categories", "0", "--threads", "1", "--device", "cpu"),
    ]


def test_the_command_survives_a_kill(command: list[str], tmp_path: Path) -> None:
    """Killed without warning in the middle, it goes on and ends as one that was left alone."""
    alone = [*command]
    alone[alone.index("--out") + 1] = str(tmp_path / "run-alone")
    subprocess.run(alone, check=True, timeout=120, capture_output=True)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    saved = tmp_path / "run" / "state.safetensors"
    while not saved.exists():
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "best.safetensors").exists()
    again = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    assert "Going on after step" in again.stderr
    assert again.stdout.strip().endswith("best.safetensors")
    assert [row["losses"] for row in rows(tmp_path / "run")] == [
        row["losses"] for row in rows(tmp_path / "run-alone")
    ]

    other = [*command, "--seed", "1"]
    refused = subprocess.run(other, timeout=120, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "other settings (seed)" in " ".join(refused.stderr.split())


def test_two_phases_survive_a_kill_in_the_second(shapes: Path, tmp_path: Path) -> None:
    """The whole modern recipe by its command, with real ImageNet weights, at 64 pixels."""

    def command(home: str) -> list[str]:
        return [
            *(sys.executable, "-m", "bot.cli", "train", "--recipe", "modern"),
            *("--data", str(shapes), "--out", str(tmp_path / home / "run")),
            *("--cache", str(tmp_path / "cache"), "--size", "64", "--batch", "4"),
            *("--steps", "60", "--validate-every", "60", "--unseen-categories", "0"),
            *("--threads", "1", "--device", "cpu"),
        ]

    process = subprocess.Popen(
        command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    run = tmp_path / "killed" / "run"
    while not (run / "state.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (run / "trunk" / "best.safetensors").exists()
    again = subprocess.run(
        command("killed"), check=True, timeout=120, capture_output=True, text=True
    )
    told = " ".join(again.stderr.split())
    assert "Going on after step 60 of 60 (trunk)" in told
    assert "Going on after step 50 of 60 (modern)" in told
    subprocess.run(command("whole"), check=True, timeout=120, capture_output=True)
    assert digest(run / "best.safetensors") == digest(
        tmp_path / "whole" / "run" / "best.safetensors"
    )
    encoder = load_encoder(run / "best.safetensors", "cpu")
    assert encoder.hubness.encoder == encoder.digest
    assert (encoder.name, encoder.dim, encoder.compared) == ("run", 448, slice(320, 448))
