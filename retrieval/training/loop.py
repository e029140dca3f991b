"""The training loop: steps, validation, checkpoints, and going on after being killed.

A run is a folder: `run.json` (what was asked for), `split.json`, `metrics.jsonl`, `curve.png`,
`state.safetensors` (to go on from), `best.safetensors` and `last.safetensors` (to serve). Knows
nothing of what is learned: a recipe draws its batches and says its losses.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from retrieval.encoder import checkpoint
from retrieval.encoder.network import SketchPhotoNetwork
from retrieval.training import curve, state
from retrieval.training.recipes.base import Recipe

Figures = dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast; `sketchy` is the solver of the Sketchy Database's release."""

    steps: int
    validate_every: int
    save_every: int = 50
    solver: Literal["adamw", "sketchy"] = "adamw"
    rate: float | None = None
    decay: float | None = None
    warmup: float = 0.1
    average: float = 0.995  # of the weights that are kept: a running mean over about 200 steps

    def optimizer(self, recipe: Recipe) -> torch.optim.Optimizer:
        """Build the optimizer; each group keeps its peak rate beside its rate."""
        rate = self.rate or (1e-5 if self.solver == "sketchy" else 3e-4)
        groups = [
            {"params": parameters, "lr": rate * factor, "peak": rate * factor}
            for factor, parameters in recipe.groups()
            if parameters
        ]
        if self.solver == "sketchy":
            decay = 5e-4 if self.decay is None else self.decay
            return torch.optim.SGD(groups, lr=rate, momentum=0.9, weight_decay=decay)
        return torch.optim.AdamW(
            groups, lr=rate, weight_decay=0.02 if self.decay is None else self.decay
        )

    def factor(self, step: int) -> float:
        """Return the share of the peak rate at a step: a linear warm-up, then half a cosine."""
        if self.solver == "sketchy":
            return 1.0
        warm = max(1, round(self.warmup * self.steps))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: after a step, or with figures after a validation."""

    step: int
    steps: int
    loss: float
    figures: Figures | None = None


class Run:
    """A recipe on its way through a schedule, in a folder."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        schedule: Schedule,
        metadata: checkpoint.Metadata,
        validate: Callable[[SketchPhotoNetwork], Figures] | None,
    ) -> None:
        """Begin, or go on from the folder's state.

        `validate` measures a network in evaluation mode; its "score" chooses the best checkpoint.
        Without it the last one is the best.
        """
        self.folder = folder
        self.recipe = recipe
        self.schedule = schedule
        self.metadata = metadata
        self.validate = validate
        self.optimizer = schedule.optimizer(recipe)
        self.average = copy.deepcopy(recipe.network).eval().requires_grad_(False)
        self.step = 0
        self.best = -math.inf
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if self._state.exists():
            self._resume()
        self._forget_later_rows()

    @property
    def _state(self) -> Path:
        return self.folder / "state.safetensors"

    @property
    def _metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    def train(self) -> Iterator[Progress]:
        """Go on to the end; yields after every step, and once more after each validation."""
        while self.step < self.schedule.steps:
            started = time.monotonic()
            losses = self._learn()
            self.step += 1
            self.seconds += time.monotonic() - started
            yield Progress(self.step, self.schedule.steps, sum(losses.values()))
            last = self.step == self.schedule.steps
            row: dict[str, Any] = {"step": self.step, "seconds": round(self.seconds, 2)}
            row["pictures"] = self.step * self.recipe.pictures()
            row["losses"] = {name: round(value, 5) for name, value in losses.items()}
            if last or self.step % self.schedule.validate_every == 0:
                row["figures"] = figures = self._judge()
                yield Progress(self.step, self.schedule.steps, sum(losses.values()), figures)
            self._note(row)
            if last or self.step % self.schedule.save_every == 0:
                self._save()

    def _learn(self) -> dict[str, float]:
        self.recipe.train()
        factor = self.schedule.factor(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        losses = self.recipe.losses()
        total = torch.stack(list(losses.values())).sum()
        if not bool(total.isfinite()):
            raise FloatingPointError(
                f"The loss is no number after {self.step} steps; try a lower --rate."
            )
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.recipe.parameters(), 5.0)
        self.optimizer.step()
        self._follow()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _follow(self) -> None:
        """Move the averaged weights towards the new ones, faster while there were few."""
        keep = min(self.schedule.average, (self.step + 2) / (self.step + 11))
        pairs = zip(
            self.average.state_dict().values(),
            self.recipe.network.state_dict().values(),
            strict=True,
        )
        with torch.no_grad():
            for mean, new in pairs:
                if mean.dtype.is_floating_point:
                    mean.lerp_(new, 1 - keep)
                else:
                    mean.copy_(new)

    def _judge(self) -> Figures:
        """Measure the averaged weights; write them down as the last and perhaps the best."""
        self.recipe.eval()
        random = torch.get_rng_state()  # a validation must not change what is drawn next
        figures = self.validate(self.average) if self.validate else {}
        torch.set_rng_state(random)
        checkpoint.save(self.folder / "last.safetensors", self.average, self.metadata)
        if figures.get("score", math.inf) >= self.best:
            self.best = figures.get("score", math.inf)
            checkpoint.save(self.folder / "best.safetensors", self.average, self.metadata)
        return figures

    def _note(self, row: dict[str, Any]) -> None:
        with self._metrics.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if "figures" in row:
            curve.draw(self._metrics, self.folder / "curve.png")

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What a state holds besides the optimizer."""
        return {"recipe": self.recipe, "average": self.average}

    def _save(self) -> None:
        numbers = {"step": self.step, "best": self.best, "seconds": self.seconds}
        state.save(self._state, self.modules, self.optimizer, **numbers)

    def _resume(self) -> None:
        numbers = state.load(self._state, self.modules, self.optimizer)
        self.step, self.best = numbers["step"], numbers["best"]
        self.seconds = numbers["seconds"]

    def _forget_later_rows(self) -> None:
        """Drop what was noted after the state was saved: it will be noted again."""
        if not self._metrics.exists():
            return
        lines = self._metrics.read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        kept = [line for line in whole if json.loads(line)["step"] <= self.step]
        self._metrics.write_text("".join(kept))
