"""A training run from its plan: where files, split, recipe and loop come together."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from retrieval import hubness
from retrieval.encoder import checkpoint
from retrieval.training import data, splits
from retrieval.training.examples import Examples, Part, part, read_examples
from retrieval.training.loop import Progress, Run, Schedule
from retrieval.training.recipes import RECIPES, Options, Recipe
from retrieval.training.validation import validator
from retrieval.training.weights import WeightsError

PHOTO_SIDE: Final = 260  # pixels kept of each photo: the most that a trunk here asks for


class RunError(RuntimeError):
    """Say why a run cannot begin or go on, and what to do."""


# What a person can cause; each says what to do.
REFUSALS: Final = (RunError, data.DataSetError, splits.SplitError, WeightsError, FloatingPointError)


@dataclasses.dataclass(frozen=True, slots=True)
class Material:
    """Where the pictures are: `sets` of drawings and photos, folders of `sketches` alone."""

    sets: tuple[Path, ...]
    sketches: tuple[Path, ...] = ()
    extra_photos: tuple[Path, ...] = ()

    def read(self) -> tuple[data.DataSet, tuple[data.Picture, ...]]:
        """List the pictures, and the photos of no category. Raises DataSetError."""
        found = [data.read(root) for root in self.sets]
        found += [data.read_sketch_folders(folder) for folder in self.sketches]
        others = [photo for folder in self.extra_photos for photo in data.read_photos(folder)]
        return data.merge(found), tuple(others)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """All that decides what a run gives; the same plan goes on, another is refused."""

    recipe: str
    material: Material
    options: Options
    schedule: Schedule
    seed: int
    split: Path | None
    unseen_categories: int
    held_share: float


def train(
    plan: Plan,
    out: Path,
    device: str,
    note: Callable[[str], None],
    report: Callable[[Progress], None],
) -> Path:
    """Carry out a plan in the folder `out`, or go on where it stopped; returns the checkpoint.

    `note` is told in sentences what there is to know, `report` of every step. Raises what REFUSALS
    names.
    """
    _keep_plan(plan, out)
    pictures, others = plan.material.read()
    for remark in pictures.remarks():
        note(remark)
    split = _split(plan, out, pictures)
    parts = split.parts(pictures)
    examples = read_examples(
        pictures, others, PHOTO_SIDE, plan.options.cache, with_edges=plan.recipe == "modern"
    )
    asked = {"unseen": part(pictures, parts.unseen), "held": part(pictures, parts.held)}
    note(
        f"{plan.recipe}: {len(pictures.sketches):,} drawings and {len(pictures.photos):,} photos "
        f"of {len(pictures.categories)} categories, {len(others):,} other photos; "
        f"{len(split.unseen)} categories kept to validate (split {split.digest[:12]})"
    )
    training = part(pictures, parts.train, len(others))
    phase = _Phase(plan, device, examples, training, asked, f"split {split.digest[:12]}")
    phase.carry_out(RECIPES[plan.recipe], out, note, report)
    return out / "best.safetensors"


@dataclasses.dataclass(frozen=True, slots=True)
class _Phase:
    """What all phases of a plan have in common."""

    plan: Plan
    device: str
    examples: Examples
    training: Part
    asked: dict[str, Part]
    split: str

    def carry_out(
        self,
        kind: type[Recipe],
        out: Path,
        note: Callable[[str], None],
        report: Callable[[Progress], None],
    ) -> Path:
        """Train by one recipe, after the one before it, if there is one; returns the last weights.

        The phase before lies in a folder of its own in `out`.
        """
        plan, start = self.plan, None
        if kind.before is not None:
            start = self.carry_out(kind.before, out / kind.before.name, note, report)
        torch.manual_seed(plan.seed)
        options = dataclasses.replace(plan.options, start=start)
        recipe = kind(self.examples, self.training, options)
        recipe.to(self.device).to(memory_format=torch.channels_last)
        steps = min(plan.schedule.steps, kind.most_steps or plan.schedule.steps)
        schedule = dataclasses.replace(plan.schedule, steps=steps, **kind.schedule)
        metadata = checkpoint.Metadata(
            name=out.resolve().name,
            network=recipe.network.spec,
            recipe=f"{plan.recipe}, {plan.schedule.steps} steps, seed {plan.seed}, {self.split}",
        )
        out.mkdir(exist_ok=True)
        run = Run(out, recipe, schedule, metadata, validator(recipe, self.examples, self.asked))
        if run.step:
            note(f"Going on after step {run.step:,} of {steps:,} ({kind.name})")
        for progress in run.train():
            report(progress)
        if recipe.by_softmax:
            self._measure_hubness(recipe, out / "best.safetensors")
        return out / "last.safetensors"

    def _measure_hubness(self, recipe: Recipe, best: Path) -> None:
        network, _, digest = checkpoint.load(best)
        drawings = recipe.embed_sketch_rows(network.to(self.device), self.training.sketches)
        told = hubness.measured(drawings.detach().float().cpu().numpy(), digest)
        hubness.save(told, hubness.beside(best))


def _keep_plan(plan: Plan, out: Path) -> None:
    """Write the plan down, or make sure that it is the one that the folder was begun with."""
    wanted = json.loads(json.dumps(dataclasses.asdict(plan), default=str))
    file = out / "run.json"
    if not file.exists():
        out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(wanted, indent=2) + "\n")
        return
    found = json.loads(file.read_text())
    if found != wanted:
        changed = sorted(_changes(found, wanted))
        raise RunError(
            f"{out} holds a run with other settings ({', '.join(changed)}). Give those again to go "
            "on with it, or choose another --out folder."
        )


def _changes(one: Any, other: Any, name: str = "") -> list[str]:
    """Name the settings that differ between two plans, as paths with points."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = {*one, *other}
        pairs = [(f"{name}.{key}".strip("."), one.get(key), other.get(key)) for key in keys]
        return [change for key, a, b in pairs for change in _changes(a, b, key)]
    return [] if one == other else [name]


def _split(plan: Plan, out: Path, pictures: data.DataSet) -> splits.Split:
    """Take the split given, the run's own, or make one; the run's folder always holds it."""
    kept = out / "split.json"
    if kept.exists():
        return splits.load(kept)
    split = (
        splits.load(plan.split)
        if plan.split
        else splits.make_split(pictures, plan.seed, plan.unseen_categories, plan.held_share)
    )
    split.check(pictures)
    split.save(kept)
    return split
