"""Failure cases through the commands, with two real encoders, one of them damaged."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bot.cli import app
from retrieval import encoders, failure_set, hubness, library
from retrieval.encoder import Encoder, load_encoder, shipped
from retrieval.evaluation import answering, material
from retrieval.failure_set import Case, JudgedPhoto, Writer
from retrieval.home import Home
from retrieval.index import Stock
from retrieval.serving.engine import Engine
from tests import drawings
from tests.conftest import paint
from tests.retrieval.test_encoders import noised

__all__ = ["noised"]  # a fixture
KEYS = {
    "cases", "judged", "failures", "fixed", "fixed_share", "fixed_interval", "goods", "broken",
    "broken_share", "broken_interval", "score", "score_before", "difference",
    "difference_interval", "encoder", "incumbent", "verdict",
}  # fmt: skip
SHARED, OWN = "shared", "server-42"


def lines(number: int) -> bytes:
    """Draw a drawing of that number."""
    name = drawings.names()[number % len(drawings.names())]
    return drawings.render_png(name, size=150 + number)


def judged_by_rank(engine: Engine, number: int, collections: tuple[str, ...]) -> tuple[Case, dict]:
    """Answer a drawing; what comes first was good, what comes last was not."""
    found = engine.match(lines(number), collections, 5)
    home = engine.home
    photos = tuple(
        JudgedPhoto(
            rank=m.rank, photo_id=m.photo_id, file=None, title=m.title, credit="", score=m.score,
            gallery=failure_set.pseudonym(home, m.collection), good=0, miss=0, funny=0,
            verdict="good" if m.rank <= 2 else "failure" if m.rank >= 4 else "undecided",
        )
        for m in found.matches
    )  # fmt: skip
    galleries = tuple(failure_set.pseudonym(home, name) for name in collections)
    case = Case(
        case=f"c{number:02}", drawing="", may_train=False, month="2026-11", encoder=found.encoder,
        galleries=galleries, photos=photos,
    )  # fmt: skip
    return case, {m.photo_id: m.thumbnail for m in found.matches}


@pytest.fixture(scope="session")
def judged(tmp_path_factory, pictures) -> tuple[Home, Path]:
    """A home with two collections, and forty cases from it."""
    root = tmp_path_factory.mktemp("judged")
    home = Home(root / "home")
    (root / "own").mkdir()
    for number in range(30):
        paint(300 + number).save(root / "own" / f"{number}.jpg")
    engine = Engine(home, load_encoder(None, "cpu"))
    for name, folder in ((SHARED, pictures), (OWN, root / "own")):
        library.register(home, name, folder)
        engine.build(name, lambda _: None)
    with Writer(root / "failures.zip") as writer:
        for number in range(40):
            case, photos = judged_by_rank(engine, number, (SHARED, OWN))
            writer.add(case, lines(number), photos)
        writer.datasheet("# Cases")
    return home, root / "failures.zip"


def run(*words: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*map(str, words), "--device", "cpu"])
    return result.exit_code, result.stdout, result.output


def test_the_encoder_that_answered_fixes_and_breaks_nothing(judged):
    home, file = judged
    status, told, _ = run("evaluate", "--failures", file, "--home", home.root, "--json")
    assert status == 0
    found = json.loads(told)
    assert set(found) >= KEYS
    assert (found["cases"], found["judged"]) == (40, 40)
    assert (found["fixed"], found["broken"], found["difference"]) == (0, 0, 0)
    assert (found["goods"], found["failures"]) == (80, 80)
    assert (found["verdict"], found["encoder"]) == ("not worse", found["incumbent"])


def test_a_damaged_encoder_is_refused_and_both_kinds_are_pictured(
    judged, noised, tmp_path, monkeypatch
):
    monkeypatch.setattr(answering, "ALIKE", 0.999)  # painted pictures all look alike
    home, file = judged
    words = ("encoder", "promote", noised, "--failures", file, "--home", home.root)
    status, _, told = run(*words, "--out", tmp_path / "out")
    assert status == 1, told
    assert "Refused" in told
    assert encoders.read(home).current is None
    for name in ("fixed", "broken"):
        picture = np.asarray(Image.open(tmp_path / "out" / f"{name}.png").convert("RGB"))
        assert picture.shape[0] > 300
    red, green = np.array([179, 38, 30]), np.array([45, 164, 78])
    assert (np.abs(picture - green).max(axis=2) < 3).sum() > 1000  # good ones, framed
    fixed = np.asarray(Image.open(tmp_path / "out" / "fixed.png").convert("RGB"))
    assert (np.abs(fixed - red).max(axis=2) < 3).sum() > 1000


def test_the_better_of_two_is_promoted_and_the_worse_is_not(judged, noised, tmp_path):
    home, file = judged
    run("encoder", "promote", noised, "--unjudged", "--home", home.root)
    damaged = encoders.load_current(home, "cpu")
    try:
        words = ("encoder", "promote", shipped(), "--failures", file, "--home", home.root)
        status, _, told = run(*words)
        assert status == 0, told
        assert "better" in told
        assert encoders.current_digest(home) != damaged.digest
        engine = Engine(home, encoders.load_current(home, "cpu"))
        assert engine.match(lines(1), (SHARED, OWN), 5).matches
    finally:
        home.chosen_encoder.unlink(missing_ok=True)


def test_galleries_that_are_not_here_are_named_and_the_file_can_stand_for_them(judged, tmp_path):
    _, file = judged
    elsewhere = ("--home", tmp_path / "elsewhere")
    status, told, _ = run("evaluate", "--failures", file, *elsewhere, "--json")
    assert status == 1
    error = json.loads(told)["error"]
    assert error["code"] == "failures"
    assert "shared" in error["message"]
    assert "own-" in error["message"]
    assert "--photos-of-file" in error["message"]
    words = ("evaluate", "--failures", file, *elsewhere, "--json", "--photos-of-file")
    status, told, _ = run(*words)
    assert status == 0
    assert json.loads(told)["judged"] == 40


def test_photos_that_left_the_gallery_and_drawings_that_are_none_are_reported(tmp_path, encoder):
    home = Home(tmp_path / "home")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        paint(number).save(folder / f"{number}.jpg")
    library.register(home, SHARED, folder)
    engine = Engine(home, encoder)
    engine.build(SHARED, lambda _: None)
    with Writer(tmp_path / "f.zip") as writer:
        for number in range(3):
            case, photos = judged_by_rank(engine, number, (SHARED,))
            writer.add(case, b"no picture" if number == 2 else lines(number), photos)
    first = case.photos[0].photo_id
    found = engine.match(lines(2), (SHARED,), 1).matches[0]
    assert found.photo_id == first
    (folder / found.photo).unlink()
    words = ("evaluate", "--failures", tmp_path / "f.zip", "--home", home.root, "--json")
    told = json.loads(run(*words)[1])
    kept = failure_set.read(tmp_path / "f.zip").cases[:2]
    gone = sum(p.photo_id == first and p.verdict != "undecided" for c in kept for p in c.photos)
    assert told["photos_gone"] == gone > 0
    assert told["unreadable"] == ["c02"]
    assert told["verdict"] == "too few"


def test_cases_whose_drawing_or_gallery_is_of_no_use_are_left_out_and_named(tmp_path):
    home = Home(tmp_path / "home")
    library.register(home, SHARED, tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")

    def case(name: str, gallery: str) -> Case:
        return Case(
            case=name, drawing="", may_train=False, month="2026-11", encoder="", photos=(),
            galleries=(gallery,),
        )  # fmt: skip

    with Writer(tmp_path / "f.zip") as writer:
        writer.add(case("good", SHARED), lines(1), {})
        writer.add(case("noise", SHARED), buffer.getvalue(), {})
        writer.add(case("other", "own-0123456789ab"), lines(2), {})
    told = material.read_cases(home, failure_set.read(tmp_path / "f.zip"), only_the_file=False)
    assert [(one.case.case, one.names) for one in told.asked] == [("good", (SHARED,))]
    assert (told.unreadable, told.elsewhere) == (("noise",), ("own-0123456789ab",))


def test_a_photo_of_two_collections_is_searched_once():
    rows = np.eye(4, dtype=np.float32)
    stocks = {"a": Stock(["1", "2"], rows[:2], {}), "b": Stock(["2", "3"], rows[1:3], {})}
    bare = SimpleNamespace(hubness=hubness.none(4))
    side = answering.Side(bare, stocks, rows)
    gallery = side.gallery(("a", "b", "a"))
    assert gallery.ids == ["1", "2", "3"]
    assert (gallery.vectors == np.pad(rows[:3], ((0, 0), (0, 1)))).all()
    assert side.gallery(("b",)).ids == ["2", "3"]


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder(None, "cpu")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip"])
def test_what_is_no_failure_set_is_said_to_be_none(tmp_path, data):
    (tmp_path / "f.zip").write_bytes(data)
    status, told, _ = run("evaluate", "--failures", tmp_path / "f.zip", "--json")
    assert status == 1
    assert json.loads(told)["error"]["code"] == "failures"


def test_folders_or_failures_must_be_given(tmp_path):
    assert run("evaluate", "--home", tmp_path)[0] == 2
