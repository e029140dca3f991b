"""Another encoder takes over whole or not at all, and the one before can come back."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from typer.testing import CliRunner

from bot.cli import app
from retrieval import confidence, embeddings, encoders, hubness, index, library, steps
from retrieval.encoder import SHIPPED_DIGEST, EncoderError, checkpoint, load_encoder, shipped
from retrieval.evaluation import calibration
from retrieval.home import Home
from retrieval.serving.curating import curate
from retrieval.serving.engine import Engine
from retrieval.serving.messages import ChangePhotos
from tests.conftest import ROOT, paint
from tests.retrieval.index.building import ColourEmbedder
from tests.retrieval.promoting import NEW, OLD, promote
from tests.retrieval.serving.test_curating import OWN, add


def damaged(path: Path, noise: float) -> Path:
    """Write the shipped encoder with noise on its weights: a worse one of the same shape."""
    network, metadata, _ = checkpoint.load(shipped())
    generator = torch.Generator().manual_seed(0)
    for weights in network.parameters():
        if weights.ndim > 1:
            drawn = torch.randn(weights.shape, generator=generator)
            weights.add_(noise * weights.std() * drawn)
    checkpoint.save(path, network, metadata)
    return path


@pytest.fixture(scope="session")
def noised(tmp_path_factory) -> Path:
    """An encoder that finds next to nothing."""
    return damaged(tmp_path_factory.mktemp("noised") / "noised.safetensors", 0.3)


def run(home: Home, *arguments: str | Path) -> tuple[int, str]:
    words = [*map(str, arguments), "--home", str(home.root)]
    result = CliRunner().invoke(app, ["encoder", *words])
    return result.exit_code, result.output


@pytest.fixture
def colours(tmp_path) -> Home:
    """Two collections that the old encoder has indexed."""
    home = Home(tmp_path / "base")
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(3):
            paint(number + (10 if name == "two" else 0), 80).save(folder / f"{number}.png")
        library.register(home, name, folder)
        index.build(home, name, ColourEmbedder(OLD.digest), lambda _: None)
    return home


def test_killed_at_any_step_the_old_encoder_serves_or_the_new_one_does_and_it_can_go_on(
    colours, tmp_path
):
    killed = tmp_path / "killed"
    killed.mkdir()
    command = [sys.executable, "-m", "tests.retrieval.promoting", str(colours.root), str(killed)]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads do not live through a fork
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, env=alone)
    homes = sorted(killed.iterdir())
    assert len(homes) > 15
    for root in homes:
        home = Home(root)
        switched = root.name == "whole" or "switched" in root.name
        assert encoders.read(home).current is None or switched, root.name
        serving = NEW if switched else OLD
        for name in ("one", "two"):
            found = index.open_current(home.collection(name), serving.digest)
            assert (found.manifest.encoder, len(found.photos)) == (serving.digest, 3), root.name
        promote(home)
        assert encoders.read(home).current.digest == NEW.digest
        for name in ("one", "two"):
            for choice in (OLD, NEW):  # and there is a way back
                index.check_ready(home.collection(name), choice.digest)
                left = [p.name for p in (home.collection(name) / "generations").iterdir()]
                assert not any(name.startswith(".") for name in left)


def test_an_older_homes_single_pointer_serves_until_a_build_adopts_it(colours):
    folder = colours.collection("one")
    generation = index.current_id(folder, OLD.digest)
    (folder / "serving" / OLD.digest[:16]).rename(folder / "CURRENT")
    (folder / "serving").rmdir()
    assert index.current_id(folder, OLD.digest) == generation
    assert index.status(colours, "one", OLD.digest).problem is None
    promote(colours)
    assert not (folder / "CURRENT").exists()
    assert index.current_id(folder, OLD.digest) == generation
    assert index.open_current(folder, NEW.digest).manifest.encoder == NEW.digest


def test_a_staged_generation_is_not_what_the_old_encoder_reads(colours):
    folder = colours.collection("one")
    before = index.current_id(folder, OLD.digest)
    again = index.Wishes(staged=True, full=True)
    for _ in range(5):
        index.build(colours, "one", ColourEmbedder(NEW.digest), lambda _: None, again)
    assert index.current_id(folder, OLD.digest) == before  # and never tidied away
    assert index.current_id(folder, NEW.digest) != before
    kept = index.status(colours, "one", OLD.digest).kept
    assert [item.generation for item in kept] == [before]


def test_an_erased_photo_is_in_no_encoders_generations(tmp_path):
    home = Home(tmp_path)
    kept, gone = add(home, 1), add(home, 2)
    old, new = ColourEmbedder(OLD.digest), ColourEmbedder(NEW.digest)
    staged = index.Wishes(staged=True)
    index.build(home, OWN, old, lambda _: None)
    index.build(home, OWN, new, lambda _: None, staged)
    curate(home, ChangePhotos(OWN, (gone,), "erased"))
    index.build(home, OWN, old, lambda _: None)
    for path in home.collection(OWN).rglob("*"):
        assert not path.is_file() or gone.encode() not in path.read_bytes(), path
    with pytest.raises(index.GenerationError):
        index.check_ready(home.collection(OWN), NEW.digest)
    index.build(home, OWN, new, lambda _: None, staged)
    found = index.open_current(home.collection(OWN), NEW.digest)
    assert [photo.photo_id for photo in found.photos] == [kept]


def test_an_erasure_during_a_build_is_not_forgotten_by_it(tmp_path, monkeypatch):
    home = Home(tmp_path)
    add(home, 1)
    gone = add(home, 2)

    def erase(step: str) -> None:
        if step == "index made":  # with the photo in it
            curate(home, ChangePhotos(OWN, (gone,), "erased"))

    monkeypatch.setattr(steps, "reach", erase)
    index.build(home, OWN, ColourEmbedder(), lambda _: None)
    assert len(index.open_current(home.collection(OWN)).photos) == 2
    index.build(home, OWN, ColourEmbedder(), lambda _: None)
    for path in home.collection(OWN).rglob("*"):
        assert not path.is_file() or gone.encode() not in path.read_bytes(), path


def test_promote_and_rollback_through_the_command(noised, tmp_path, pictures):
    home = Home(tmp_path / "home")
    engine = Engine(home, load_encoder(None, "cpu"))
    library.register(home, "shared", pictures)
    engine.build("shared", lambda _: None)
    status, told = run(home, "promote", noised, "--unjudged", "--device", "cpu")
    assert status == 0, told
    chosen = encoders.load_current(home, "cpu")
    assert chosen.digest == encoders.current_digest(home) != SHIPPED_DIGEST
    assert run(home, "promote", noised, "--unjudged")[0] == 1  # it serves already
    stopped = tmp_path / "home" / "encoders" / "stopped.safetensors"
    stopped.write_bytes(b"what a promotion that was killed left")
    after = Engine(home, chosen)
    drawing = (ROOT / "docs" / "examples" / "fish.png").read_bytes()
    assert after.match(drawing, ("shared",), 3).encoder == chosen.label
    assert engine.match(drawing, ("shared",), 3).encoder == engine.encoder_label  # still there
    uses = {item.label: item for item in encoders.kept(home)}
    assert uses[chosen.label].use == "serves"
    assert uses[engine.encoder_label].use == "before"
    assert all(min(u.checkpoint, u.embeddings, u.generations) > 1000 for u in uses.values())
    status, told = run(home, "rollback", "--device", "cpu")
    assert status == 0, told
    assert encoders.current_digest(home) == SHIPPED_DIGEST
    assert run(home, "forget", chosen.label)[0] == 0
    assert [item.label for item in encoders.kept(home)] == [engine.encoder_label]
    assert run(home, "rollback")[0] == 1  # nothing to go back to
    assert run(home, "forget", engine.encoder_label)[0] == 1  # it serves
    assert not list(home.encoders.glob(f"*{chosen.digest[:8]}*"))
    assert index.size_of(home.collection("shared"), chosen.digest) == 0
    assert run(home, "clear")[0] == 0
    assert not stopped.exists()
    encoders.load_current(home, "cpu")


def test_a_calibration_and_hubness_beside_the_checkpoint_go_with_it(noised, tmp_path, pictures):
    home = Home(tmp_path / "home")
    library.register(home, "shared", pictures)
    Engine(home, load_encoder(None, "cpu")).build("shared", lambda _: None)
    new = tmp_path / "new.safetensors"
    shutil.copy(noised, new)
    told = run(home, "promote", new, "--unjudged", "--device", "cpu")[1]
    assert "no calibration" in told
    assert "magic-pencil calibrate" in told
    drawing = (ROOT / "docs" / "examples" / "fish.png").read_bytes()
    bare = encoders.load_current(home, "cpu")
    assert Engine(home, bare).match(drawing, ("shared",), 5).confidence is None
    assert run(home, "rollback", "--device", "cpu")[0] == 0
    shipped_one = encoders.load_current(home, "cpu")
    assert Engine(home, shipped_one).match(drawing, ("shared",), 5).confidence is not None
    ours = confidence.read(confidence.beside(shipped()))
    calibration.save(msgspec.structs.replace(ours, encoder=bare.digest), confidence.beside(new))
    assert not len(bare.hubness.coordinates)
    hubs = dataclasses.replace(shipped_one.hubness, encoder=bare.digest)
    hubness.save(hubs, hubness.beside(new))
    told = run(home, "promote", new, "--unjudged", "--device", "cpu")[1]
    assert "calibration" not in told
    served = encoders.load_current(home, "cpu")
    assert Engine(home, served).match(drawing, ("shared",), 5).confidence is not None
    assert served.hubness.coordinates.shape == hubs.coordinates.shape
    assert {item.label: item.calibrated for item in encoders.kept(home)} == {
        bare.label: True,
        shipped_one.label: True,
    }
    assert run(home, "rollback", shipped_one.label, "--device", "cpu")[0] == 0
    assert run(home, "rollback", shipped_one.label)[0] == 1  # it serves already
    assert run(home, "rollback", "nothing")[0] == 1
    assert run(home, "forget", bare.digest[:12])[0] == 0
    assert not list(home.encoders.glob(f"*{bare.digest[:8]}*"))


def test_what_a_promotion_left_that_never_came_to_its_end_can_be_cleared_away(colours):
    old, new = ColourEmbedder(OLD.digest), ColourEmbedder(NEW.digest)
    index.build(colours, "one", new, lambda _: None, index.Wishes(staged=True))
    encoders.switch(colours, OLD, OLD)
    colours.encoders.mkdir()
    half = colours.encoders / ".half.safetensors.part"
    half.write_bytes(b"half")
    before = index.current_id(colours.collection("one"), OLD.digest)
    kept = msgspec.structs.replace(OLD, preprocessing=old.preprocessing)
    encoders.switch(colours, kept, kept)
    assert encoders.clear(colours) > 1000
    assert not half.exists()
    assert index.current_id(colours.collection("one"), OLD.digest) == before
    assert index.size_of(colours.collection("one"), NEW.digest) == 0
    caches = [path.name for path in colours.embeddings.glob("*.sqlite")]
    mine = embeddings.cache_file(colours.embeddings, OLD.digest, old.preprocessing)
    assert caches == [mine.name]
    assert encoders.clear(colours) == 0


def test_a_kept_checkpoint_that_is_damaged_is_copied_again(tmp_path, noised):
    home = Home(tmp_path)
    encoder = load_encoder(noised, "cpu")
    file = home.encoders / encoders.keep(home, encoder, noised).file
    file.write_bytes(b"damaged")
    choice = encoders.keep(home, encoder, noised)
    assert encoders.load_choice(home, choice, "cpu").digest == encoder.digest
    other = tmp_path / "changed.safetensors"
    other.write_bytes(b"changed since it was loaded")
    file.unlink()
    with pytest.raises(EncoderError, match="changed"):
        encoders.keep(home, encoder, other)
    assert list(home.encoders.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"no checkpoint", None])
def test_what_is_no_checkpoint_changes_nothing(tmp_path, data):
    file = tmp_path / "x.safetensors"
    if data is not None:
        file.write_bytes(data)
    status, told = run(Home(tmp_path / "home"), "promote", file, "--unjudged")
    assert status == 1
    assert "Error" in told
    assert encoders.read(Home(tmp_path / "home")).current is None


def test_judging_is_left_out_only_on_purpose(tmp_path, noised):
    assert run(Home(tmp_path), "promote", noised)[0] == 2


def test_a_kept_checkpoint_that_was_changed_is_not_loaded(tmp_path, noised):
    home = Home(tmp_path)
    choice = encoders.keep(home, load_encoder(noised, "cpu"), noised)
    encoders.switch(home, choice, OLD)
    assert encoders.load_current(home, "cpu").digest == choice.digest
    file = home.encoders / choice.file
    spoilt = bytearray(file.read_bytes())
    spoilt[-1] ^= 1
    file.write_bytes(spoilt)
    with pytest.raises(EncoderError, match="not the one"):
        encoders.load_current(home, "cpu")
