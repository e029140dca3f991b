"""A checkpoint is loaded only if it is whole, known, and the one that was released."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import safetensors.torch
import torch

from retrieval.encoder import EncoderError, checkpoint, encoder, load_encoder
from retrieval.encoder.checkpoint import Metadata
from retrieval.encoder.network import BlockSpec, NetworkSpec, SketchPhotoNetwork, TrunkSpec

TRUNK = TrunkSpec("test_efficientnet", 64)
METADATA = Metadata(
    name="tiny-test",
    network=NetworkSpec((TRUNK,), (TRUNK,), (BlockSpec(8), BlockSpec(4, 0.5)), "trunks"),
    recipe="random",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny-test.safetensors"
    return path, checkpoint.save(path, SketchPhotoNetwork(METADATA.network), METADATA)


def with_metadata(saved: tuple[Path, str], path: Path, **changes: Any) -> Path:
    fields = msgspec.to_builtins(METADATA) | changes
    tensors = safetensors.torch.load_file(saved[0])
    safetensors.torch.save_file(tensors, path, {"magic_pencil": json.dumps(fields)})
    return path


def test_saved_and_loaded_is_the_same_network(saved: tuple[Path, str]) -> None:
    path, digest = saved
    network, metadata, found = checkpoint.load(path, digest)
    again, _, _ = checkpoint.load(path)
    assert (metadata, found) == (METADATA, digest)
    pixels = torch.randn(1, 3, 64, 64)
    rows = network.embed_photos(pixels)
    assert rows.shape == (1, METADATA.network.dim)
    assert torch.equal(rows, again.embed_photos(pixels))
    assert not network.training


def test_an_encoder_loads_from_any_path_given(saved: tuple[Path, str]) -> None:
    loaded = load_encoder(saved[0], device="cpu")
    assert (loaded.name, loaded.digest, loaded.dim) == ("tiny-test", saved[1], 12)


def test_a_tampered_shipped_checkpoint_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray((encoder.WEIGHTS / f"{encoder.SHIPPED}.safetensors").read_bytes())
    data[-1000] ^= 1
    (tmp_path / f"{encoder.SHIPPED}.safetensors").write_bytes(data)
    monkeypatch.setattr(encoder, "WEIGHTS", tmp_path)
    with pytest.raises(EncoderError, match="not the one that was released or promoted"):
        load_encoder(device="cpu")


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"Cannot read .*absent"):
        load_encoder(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("length", [0, 5, 200, 100_000])
def test_a_checkpoint_cut_short_is_refused(
    saved: tuple[Path, str], tmp_path: Path, length: int
) -> None:
    path = tmp_path / "short.safetensors"
    path.write_bytes(saved[0].read_bytes()[:length])
    with pytest.raises(EncoderError, match="not a Magic Pencil checkpoint"):
        checkpoint.load(path)


def test_another_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(EncoderError, match="not a Magic Pencil checkpoint"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 3},
        {"network": msgspec.to_builtins(METADATA.network) | {"shared": "nothing"}},
        {"network": msgspec.to_builtins(METADATA.network) | {"blocks": [{"dim": 16}]}},
        {"network": {}},
        {"canonical_version": 99},
        {"surprise": True},
        {"name": 7},
    ],
)
def test_unknown_metadata_is_refused(
    saved: tuple[Path, str], tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = with_metadata(saved, tmp_path / "changed.safetensors", **changes)
    with pytest.raises(EncoderError):
        checkpoint.load(path)


def test_missing_weights_are_refused(saved: tuple[Path, str], tmp_path: Path) -> None:
    tensors = safetensors.torch.load_file(saved[0])
    del tensors["photo.means.0"]
    path = tmp_path / "partial.safetensors"
    text = json.dumps(msgspec.to_builtins(METADATA))
    safetensors.torch.save_file(tensors, path, {"magic_pencil": text})
    with pytest.raises(EncoderError, match=r"photo\.means\.0"):
        checkpoint.load(path)


def test_what_branches_share_is_stored_once(saved: tuple[Path, str]) -> None:
    names = safetensors.torch.load_file(saved[0]).keys()
    assert any(name.startswith("sketch.trunks.0") for name in names)
    assert not any(name.startswith("photo.trunks") for name in names)
