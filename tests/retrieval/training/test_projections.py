"""The loop learns on features made up for it, and the command says what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from retrieval.encoder.network import SketchPhotoNetwork
from retrieval.training.cli import app
from retrieval.training.projections import Domain, Hyper, Twins, evaluate, train_projections

WIDTH = 1280
HYPER = Hyper(learned=16, kept=16, batch=64)


def domains(categories: int = 8, each: int = 12) -> tuple[Domain, Domain, Twins]:
    """Photos near their category's point; drawings the same, but hidden in a turned space."""
    torch.manual_seed(0)
    labels = torch.arange(categories).repeat_interleave(each)
    centres = torch.randn(categories, 32)
    photo, sketch = torch.randn(32, WIDTH), torch.randn(32, WIDTH)

    def views(basis: torch.Tensor) -> torch.Tensor:
        return (centres[labels][:, None] + 0.7 * torch.randn(len(labels), 3, 32)) @ basis + 5

    photos = Domain(views(photo), labels, torch.arange(len(labels)))
    sketches = Domain(views(sketch), labels, torch.arange(len(labels)))
    return sketches, photos, Twins(views(sketch), photos.features)


class NoBackbone(SketchPhotoNetwork):
    """The heads alone: features come ready."""

    def __init__(self) -> None:
        super().__init__("tf_efficientnet_lite0", HYPER.learned, HYPER.kept, HYPER.kept_weight)
        self.backbone = nn.Identity()


def test_training_brings_drawings_to_their_photos() -> None:
    sketches, photos, twins = domains()
    network = NoBackbone()
    before = evaluate(network, sketches, photos)
    train_projections(network, sketches, photos, twins, HYPER, epochs=20, seed=0)
    after = evaluate(network, sketches, photos)
    assert before.mean("map") < 0.5
    assert after.mean("map") > 0.9


def test_the_same_seed_gives_the_same_projections() -> None:
    weights = []
    for _ in range(2):
        network = NoBackbone()
        train_projections(network, *domains(), HYPER, epochs=2, seed=3)
        weights.append(network.sketch_head.learned.weight.detach().clone())
    torch.testing.assert_close(*weights)


def test_drawings_whose_photo_is_unknown_train_too() -> None:
    sketches, photos, twins = domains()
    unknown = Domain(
        sketches.features, sketches.categories, torch.full((len(sketches.features),), -1)
    )
    network = NoBackbone()
    train_projections(network, unknown, photos, twins, HYPER, epochs=2, seed=0)
    assert torch.isfinite(network.sketch_head.learned.weight).all()


def test_the_command_explains_itself_and_refuses_an_empty_folder(tmp_path: Path) -> None:
    wide = {"COLUMNS": "160", "TERMINAL_WIDTH": "160"}
    help_text = CliRunner(env=wide).invoke(app, ["train-projections", "--help"]).output
    for option in ("--data", "--out", "--epochs", "--seed", "--validation-categories"):
        assert option in help_text
    result = CliRunner().invoke(
        app,
        ["train-projections", "--data", str(tmp_path), "--out", str(tmp_path / "a.safetensors")],
    )
    assert isinstance(result.exception, FileNotFoundError)
    with pytest.raises(FileNotFoundError, match="sketchy-mini"):
        raise result.exception
