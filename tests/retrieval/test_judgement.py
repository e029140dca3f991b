"""Drawings pass, what is none is refused with its own reason."""

from __future__ import annotations

import pytest

from retrieval import images, sketches
from retrieval.evaluation import corruptions, impostors
from tests import drawings
from tests.conftest import shared_data


def verdict(image) -> str:
    try:
        sketches.canonicalise(image, strict=True)
    except sketches.NotADrawingError as error:
        return error.reason
    return "drawing"


@pytest.mark.parametrize("kind", ["paper photo", "coloured paper", "blackboard", "chequered"])
def test_no_drawing_of_ours_is_refused_whatever_it_is_on(kind: str) -> None:
    refused = []
    for seed, name in enumerate(drawings.names()):
        sent = corruptions.corrupt(kind, drawings.render(name), 1 + seed % 3, seed)
        refused += [name] if verdict(images.decode(sent)) != "drawing" else []
    assert len(refused) <= 1, refused


def test_no_clean_drawing_of_ours_is_refused() -> None:
    assert {verdict(drawings.render(name)) for name in drawings.names()} == {"drawing"}


@pytest.mark.parametrize("kind", impostors.KINDS)
def test_what_is_made_up_is_told_from_drawings(kind: str) -> None:
    found = [verdict(impostors.make(kind, seed)) for seed in range(7000, 7060)]
    assert found.count("drawing") <= 0.05 * len(found), found
    assert found.count(kind) >= 0.5 * len(found), found


def test_photos_are_refused() -> None:
    data = shared_data()
    if data is None:
        pytest.skip("no photos here")
    paths = sorted((data / "photos-1000").glob("*.jpg"))[::25]
    found = [verdict(images.decode(path.read_bytes())) for path in paths]
    assert found.count("drawing") <= 0.05 * len(found)
    assert found.count("photo") >= 0.85 * len(found)


def test_a_lenient_reading_judges_nothing() -> None:
    assert sketches.canonicalise(impostors.make("text", 1)).subject.size == (256, 256)
