"""A run's state on disk: everything needed to go on as if nothing had happened.

Tensors in one safetensors file, written beside and renamed, so that a run killed at any line finds
the last whole state. No pickle: an optimizer's state is flattened into named tensors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import safetensors
import torch
from safetensors.torch import save_file
from torch import nn

from retrieval.encoder.checkpoint import own_state

_META: Final = "state"
_RNG: Final = "rng"


def save(
    path: Path, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer, **numbers: Any
) -> None:
    """Write modules, optimizer, random state and JSON-able `numbers` to `path`, atomically."""
    tensors = {
        f"{name}.{key}": value.contiguous()
        for name, module in modules.items()
        for key, value in own_state(module).items()
    }
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            tensors[f"optimizer.{index}.{key}"] = torch.as_tensor(value).contiguous()
    tensors[_RNG] = torch.get_rng_state()
    part = path.with_suffix(".part")
    save_file(tensors, part, {_META: json.dumps(numbers)})
    part.replace(path)


def load(
    path: Path, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Read what `save` wrote into the same kind of objects; returns the numbers.

    Raises ValueError if the file is of another kind of run.
    """
    with safetensors.safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        numbers: dict[str, Any] = json.loads(file.metadata()[_META])
    torch.set_rng_state(tensors.pop(_RNG))
    states: dict[int, dict[str, torch.Tensor]] = {}
    parts: dict[str, dict[str, torch.Tensor]] = {name: {} for name in modules}
    for key, value in tensors.items():
        owner, rest = key.split(".", 1)
        if owner == "optimizer":
            index, name = rest.split(".", 1)
            states.setdefault(int(index), {})[name] = value
        else:
            parts.get(owner, {})[rest] = value
    for name, module in modules.items():
        if set(parts[name]) != set(own_state(module)):
            raise ValueError(f"{path} belongs to another kind of run; choose another folder")
        module.load_state_dict(parts[name], strict=False)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    return numbers
