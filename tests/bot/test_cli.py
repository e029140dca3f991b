"""The magic-pencil command: help that teaches, errors that say what to do."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from tests import drawings
from tests.conftest import ROOT


def _run(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAGIC_PENCIL", "DISCORD"))}
    return subprocess.run(
        [sys.executable, "-m", "bot.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=150,
        cwd=home,
        env=clean | {"MAGIC_PENCIL_HOME": str(home), "PYTHONPATH": str(ROOT)} | environment,
    )


def test_run_without_a_token_says_in_three_lines_how_to_get_one(tmp_path):
    done = _run("run", home=tmp_path)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 3
    assert "DISCORD_TOKEN" in lines[0]
    assert "Message Content" in lines[1]
    assert "https://discord.com/oauth2/authorize?client_id=" in lines[2]


def test_a_setting_that_makes_no_sense_is_named(tmp_path):
    done = _run("run", home=tmp_path, MAGIC_PENCIL_MATCHES="50")
    assert done.returncode == 1
    assert "MAGIC_PENCIL_MATCHES" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_may_stand_in_a_file_beside(tmp_path):
    (tmp_path / ".env").write_text("MAGIC_PENCIL_MATCHES=50\n")
    assert "MAGIC_PENCIL_MATCHES" in _run("run", home=tmp_path).stderr


def test_db_upgrade_and_backup(tmp_path):
    assert _run("db", "upgrade", home=tmp_path).returncode == 0
    assert "Up to date" in _run("db", "upgrade", home=tmp_path).stderr
    copy = tmp_path / "copy.db"
    assert _run("db", "backup", str(copy), home=tmp_path).returncode == 0
    assert sqlite3.connect(copy).execute("SELECT count(*) FROM votes").fetchone() == (0,)
    again = _run("db", "backup", str(copy), home=tmp_path)
    assert again.returncode == 1
    assert "exists already" in " ".join(again.stderr.split())  # wherever it was wrapped
    assert _run("db", "backup", str(copy), "--force", home=tmp_path).returncode == 0


def test_every_command_explains_itself():
    runner = CliRunner()
    text = runner.invoke(app, ["--help"]).stdout
    for command in ("run", "bot", "worker", "demo", "match", "index", "evaluate", "db", "health"):
        assert f"│ {command} " in text
        said = runner.invoke(app, [command, "--help"])
        assert said.exit_code == 0
        assert len(said.stdout.splitlines()) > 5


@pytest.fixture
def fish(tmp_path: Path) -> Path:
    path = tmp_path / "fish.png"
    path.write_bytes(drawings.render_png("fish"))
    return path


def test_demo_once_prints_the_matches_that_match_prints(tmp_path, fish, pictures):
    import json

    once = _run(
        "demo", "--photos", str(pictures), "--once", str(fish), "--out", "sheet.png", home=tmp_path
    )
    assert once.returncode == 0, once.stderr
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    match = _run("match", str(fish), "--json", home=tmp_path)
    rows = once.stdout.splitlines()[-5:]
    found = json.loads(match.stdout)["matches"]
    assert len(found) == 5
    for row, item in zip(rows, found, strict=True):
        assert row.split()[0] == str(item["rank"])
        assert f"{item['score']:.3f}" in row
        assert item["photo"] in row


def test_demo_leaves_the_hosts_own_photos_alone(tmp_path, pictures):
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.jpg").write_bytes((pictures / "picture_01.jpg").read_bytes())
    assert _run("index", "build", str(pictures), home=tmp_path).returncode == 0
    done = _run("demo", "--photos", str(other), "--once", "none.png", home=tmp_path)
    assert done.returncode == 1
    assert "MAGIC_PENCIL_HOME" in done.stderr


def test_demo_without_pictures_says_so(tmp_path):
    (tmp_path / "empty").mkdir()
    done = _run("demo", "--photos", str(tmp_path / "empty"), home=tmp_path)
    assert done.returncode == 1
    assert "no picture" in done.stderr


def test_demo_on_a_port_that_is_taken_says_so_at_once(tmp_path, pictures):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = _run("demo", "--photos", str(pictures), "--port", port, home=tmp_path)
    assert done.returncode == 1
    assert f"port {port}" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "collections").exists(), "nothing was built in vain"


def test_demo_serves_its_page_until_it_is_told_to_stop(tmp_path, pictures):
    command = [sys.executable, "-m", "bot.cli", "demo", "--photos", str(pictures), "--port", "0"]
    environment = os.environ | {"MAGIC_PENCIL_HOME": str(tmp_path), "COLUMNS": "200"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    try:
        url = ""
        for line in process.stdout:
            if "http://127.0.0.1" in line:
                url = line.strip()
                break
        page = urllib.request.urlopen(url.split("#")[0], timeout=10).read()
        assert b"<html" in page.lower()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
    time.sleep(0.2)
    assert not (tmp_path / "worker.sock").exists(), "the worker has gone too"
