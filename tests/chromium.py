"""The browser that tests drive: one that the machine has, without a screen."""

from __future__ import annotations

import shutil

import pytest

PATH = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
needed = pytest.mark.skipif(
    PATH is None, reason="there is no Chromium here; on Debian: apt install chromium"
)
