"""Get the stamps' Debian package and unpack it, without root. Processes only, no pictures."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PACKAGE = "tuxpaint-stamps-default"
DOWNLOAD_SECONDS = 900  # 161 MB: enough at 200 kB/s
UNPACK_SECONDS = 300
_REPORT_SECONDS = 2.0

Progress = Callable[[str], None]


class GalleryUnavailableError(RuntimeError):
    """The starter gallery cannot be had here; the message says why and what works instead."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The starter gallery could not be fetched: {reason} "
            "`make demo PHOTOS=folder` works with any folder of pictures."
        )


def download(folder: Path, progress: Progress) -> Path:
    """Download the package into ``folder`` with ``apt-get download`` and return the file.

    Root with stale or empty package lists gets one ``apt-get update`` and a second try.

    Raises:
        GalleryUnavailableError: apt or dpkg is absent, or the download failed or took too long.
    """
    for command in ("apt-get", "dpkg-deb"):
        if shutil.which(command) is None:
            raise GalleryUnavailableError(
                f"it comes from a Debian package, and `{command}` is not on this computer."
            )
    failure = _apt_get(["download", PACKAGE], folder, progress)
    if failure and os.geteuid() == 0:
        progress("Updating apt's package lists")
        failure = _apt_get(["update"], folder, progress) or _apt_get(
            ["download", PACKAGE], folder, progress
        )
    if failure:
        raise GalleryUnavailableError(
            f"`apt-get download {PACKAGE}` failed ({failure}). "
            "Run `sudo apt-get update` and try again."
        )
    found = next(folder.glob("*.deb"), None)
    if found is None:
        raise GalleryUnavailableError(f"`apt-get download {PACKAGE}` brought no file.")
    return found


def unpack(package: Path, folder: Path) -> None:
    """Unpack the ``package`` into ``folder``.

    Raises:
        GalleryUnavailableError: the package is damaged, or unpacking it took too long.
    """
    try:
        subprocess.run(
            ["dpkg-deb", "-x", str(package), str(folder)],  # noqa: S607 - found by PATH as checked
            check=True,
            capture_output=True,
            text=True,
            timeout=UNPACK_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise GalleryUnavailableError(
            f"`dpkg-deb -x` failed ({_complaint(error.stderr)})."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise GalleryUnavailableError("`dpkg-deb -x` took too long.") from error


def _apt_get(arguments: list[str], folder: Path, progress: Progress) -> str:
    """Run apt-get in ``folder``, tell how much has arrived, and return what went wrong, or ''."""
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    environment = os.environ | {"LC_ALL": "C.UTF-8"}  # the complaint is quoted in English text
    errors = folder / "apt.log"
    with (
        errors.open("w") as log,
        subprocess.Popen(
            ["apt-get", "-q", *arguments],  # noqa: S607 - found by PATH as checked
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        ) as process,
    ):
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    return "it took too long"
                try:
                    process.wait(_REPORT_SECONDS)
                except subprocess.TimeoutExpired:
                    megabytes = sum(p.stat().st_size for p in folder.glob("*.deb")) // 10**6
                    progress(f"Downloading {PACKAGE}: {megabytes} MB of about 161")
        finally:
            process.kill()  # harmless after it ended; else apt would outlive its folder
    return "" if process.returncode == 0 else _complaint(errors.read_text(errors="replace"))


def _complaint(stderr: str) -> str:
    """Return the first error in what apt or dpkg wrote; its warnings are none."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("E: ") for line in lines if not line.startswith("W: ")]
    return errors[0] if errors else "no reason given"
