"""What is shipped: the wheel's files, the container's settings, the README's table, no torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGES = ("bot", "retrieval", "migrations")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE_TEXT = (ROOT / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)

# What compose.yaml reads from .env for itself.
OF_COMPOSE = {"PHOTOS", "TORCH"}


def setting_names() -> set[str]:
    """Return the environment variable of each setting; the token's is Discord's usual one."""
    return {
        "DISCORD_TOKEN" if name == "discord_token" else f"MAGIC_PENCIL_{name.upper()}"
        for name in Settings.model_fields
    }


def build_context() -> list[str]:
    """Return what .dockerignore lets into the build."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    return [line[1:] for line in lines if line.startswith("!")]


def test_the_wheel_holds_every_file_of_its_packages() -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    shipped = {
        file.distribution_path for file in wheel.WheelBuilder(str(ROOT)).recurse_included_files()
    }
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".part"
    }
    assert there <= shipped, "left out, perhaps by .gitignore"
    data = {path for path in shipped if not path.endswith(".py")}
    assert {
        "migrations/script.py.mako",
        "retrieval/starter_gallery/credits.toml",
        "retrieval/starter_gallery/photographs.txt",
    } <= data
    assert any(re.fullmatch(r"retrieval/encoder/weights/.+\.safetensors", path) for path in data)
    assert any(re.fullmatch(r"migrations/versions/0001_.+\.py", path) for path in shipped)


def test_the_image_gets_all_that_the_wheel_is_made_of() -> None:
    context = build_context()
    assert set(PACKAGES) <= set(context)
    assert {"pyproject.toml", "README.md", "LICENSE"} <= set(context)
    assert all((ROOT / name).exists() for name in context)


def test_variables_of_the_image_are_settings() -> None:
    found = set(re.findall(r"\b(MAGIC_PENCIL_\w+|DISCORD_\w+)", DOCKERFILE))
    assert found
    assert found <= setting_names()


def test_variables_of_compose_are_settings() -> None:
    given = {
        variable
        for service in COMPOSE["services"].values()
        for variable in service.get("environment", {})
    }
    read = set(re.findall(r"\$\{(\w+)", COMPOSE_TEXT))
    assert "MAGIC_PENCIL_SOCKET" in given
    assert given <= setting_names()
    assert read <= setting_names() | OF_COMPOSE


def test_variables_of_the_example_are_settings() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    found = set(re.findall(r"^(?:# )?([A-Z_]+)=", text, re.MULTILINE))
    assert "DISCORD_TOKEN" in found
    assert found <= setting_names() | OF_COMPOSE


def test_only_the_bot_has_the_token_and_the_worker_has_no_network() -> None:
    bot, worker = COMPOSE["services"]["bot"], COMPOSE["services"]["worker"]
    assert worker["network_mode"] == "none"
    assert "env_file" not in worker
    assert "DISCORD_TOKEN" not in worker["environment"]
    assert bot["env_file"] == ".env"


@pytest.mark.parametrize("service", ["bot", "worker"])
def test_services_meet_on_one_socket_and_may_write_only_their_data(service: str) -> None:
    options = COMPOSE["services"][service]
    environment = options["environment"]
    assert environment["MAGIC_PENCIL_HOME"] == "/data"
    assert environment["MAGIC_PENCIL_SOCKET"] == "/data/worker.sock"
    writable = [
        volume
        for volume in options["volumes"]
        if isinstance(volume, str) or not volume.get("read_only")
    ]
    assert writable == ["data:/data"]
    assert options["read_only"] is True
    assert options["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in options["security_opt"]


def test_every_setting_has_a_row_in_the_readme() -> None:
    rows = [
        line
        for line in (ROOT / "README.md").read_text("utf-8").splitlines()
        if line.startswith("|")
    ]
    missing = {name for name in setting_names() if not any(f"`{name}`" in row for row in rows)}
    assert not missing


@pytest.mark.parametrize("module", ["bot.app", "bot.cli"])
def test_the_bot_loads_neither_torch_nor_faiss_nor_an_image_library(module: str) -> None:
    heavy = "{'torch', 'torchvision', 'timm', 'faiss', 'numpy', 'PIL'}"
    code = f"import {module}, sys; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
