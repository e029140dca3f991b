"""Promotes an encoder and is killed at each step: `promoting.py BASE_HOME FOLDER`.

Every step gets a copy of the home, FOLDER/<number>-<step>, and a child process of its own that ends
there as `kill -9` would. What an embedding means does not matter here: photos are their colours.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from retrieval import encoders, index, steps
from retrieval.encoders import Choice
from retrieval.home import Home
from tests.retrieval.index.building import ColourEmbedder

OLD, NEW = Choice("old", "c" * 64, "1"), Choice("new", "d" * 64, "1")


def promote(home: Home) -> None:
    embedder = ColourEmbedder(NEW.digest)
    wishes = index.Wishes(staged=True)

    def build(name: str) -> None:
        index.build(home, name, embedder, lambda _: None, wishes)

    with encoders.lock(home):
        encoders.stage(home, embedder, build)
        encoders.switch(home, NEW, OLD)


def in_a_child(home: Home, die_at: int | None, reached: Path) -> int:
    """Promote in a forked process; returns how it ended. The parent itself never computes."""
    if not (child := os.fork()):
        passed: list[str] = []

        def reach(step: str) -> None:
            passed.append(step)
            if die_at is not None and len(passed) > die_at:
                os.kill(os.getpid(), signal.SIGKILL)

        steps.reach = reach
        promote(home)
        reached.write_text("\n".join(passed))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(base: str, folder: str) -> None:
    reached = Path(folder).with_name("reached")
    assert in_a_child(Home(Path(shutil.copytree(base, f"{folder}/whole"))), None, reached) == 0
    for number, step in enumerate(reached.read_text().splitlines()):
        home = Home(Path(shutil.copytree(base, f"{folder}/{number:02}-{step}")))
        assert in_a_child(home, number, reached) == -signal.SIGKILL


if __name__ == "__main__":
    main(*sys.argv[1:])
