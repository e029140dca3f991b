"""What photos score with drawings in general counts against them, and belongs to one encoder."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy

from retrieval import hubness, ranking
from retrieval.encoder import SHIPPED_DIGEST, EncoderError, load_encoder, shipped
from retrieval.hubness import CANDIDATES, MOST, TEMPERATURE, extended_queries, measured
from tests.retrieval.test_ranking import Gallery, unit

A = "a" * 64


def some(count: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    return unit(*np.random.default_rng(seed).normal(size=(count, dim))).astype(np.float32)


def test_it_is_the_soft_maximum_over_drawings_worked_out_the_long_way() -> None:
    drawings, photos = some(30), some(5, seed=1)
    by_hand = [
        TEMPERATURE * np.log(np.mean([np.exp(d @ photo / TEMPERATURE) for d in drawings]))
        for photo in photos
    ]
    np.testing.assert_allclose(measured(drawings, A).of(photos), by_hand, atol=1e-5)


def test_components_tell_much_of_it_even_where_no_direction_matters_more() -> None:
    drawings, photos = some(500, 64), some(40, 64, seed=1)
    whole = drawings @ photos.T / TEMPERATURE
    told = measured(drawings, A).of(photos)
    assert len(measured(drawings, A).basis) == hubness.COMPONENTS
    assert np.corrcoef(told, np.log(np.exp(whole).mean(axis=0)))[0, 1] > 0.8


def test_extended_vectors_multiply_to_similarity_less_hubness() -> None:
    hubs, photos, drawings = measured(some(30), A), some(7, seed=1), some(3, seed=2)
    scores = extended_queries(drawings) @ hubs.extended_photos(photos).T
    np.testing.assert_allclose(scores, drawings @ photos.T - hubs.of(photos), atol=1e-6)


def test_a_photo_that_is_near_every_drawing_gives_way_to_the_one_that_is_meant() -> None:
    everything = np.array([1.0, 0, 0, 0], np.float32)
    drawings = unit(*(everything + 0.3 * some(40, 4))).astype(np.float32)
    hub, meant = unit([1, 0.2, 0, 0], [0, 1, 0.1, 0]).astype(np.float32)
    asked = unit([1, 0.9, 0, 0])[0].astype(np.float32)
    gallery = Gallery(np.stack([hub, meant]))
    assert ranking.order(asked, gallery, 2) == ["p0", "p1"]
    best = measured(drawings, A).by_score(gallery)
    assert ranking.order(extended_queries(asked[None])[0], best, 2, slice(0, 4)) == ["p1", "p0"]


def test_the_best_by_score_are_found_among_the_nearest() -> None:
    hubs, photos, drawings = measured(some(200, 32), A), some(2000, 32, seed=1), some(20, 32, 2)
    gallery = Gallery(photos)
    best = hubs.by_score(gallery)
    for query in extended_queries(drawings):
        exact = np.argsort(-(hubs.extended_photos(photos) @ query), kind="stable")[:10]
        found = best(query, 10)
        assert found.keys == [f"p{row}" for row in exact]
        np.testing.assert_allclose(found.vectors, hubs.extended_photos(photos[exact]), atol=1e-6)
    assert {count for _, count in gallery.asked} == {CANDIDATES}


def test_without_drawings_nothing_changes() -> None:
    photos, drawings = some(60), some(4, seed=1)
    nothing = hubness.none(8)
    assert not nothing.of(photos).any()
    for drawing in drawings:
        extended = extended_queries(drawing[None])[0]
        found = ranking.order(extended, nothing.by_score(Gallery(photos)), 60, slice(0, 8))
        assert found == ranking.order(drawing, Gallery(photos), 60, slice(0, 8))


def test_of_very_many_drawings_the_same_ones_are_kept_every_time() -> None:
    drawings = some(MOST + 500)
    first, again = measured(drawings, A), measured(drawings, A)
    assert len(first.coordinates) == MOST
    assert (first.coordinates == again.coordinates).all()


def test_what_is_read_is_what_was_written_and_small(tmp_path) -> None:
    hubs, photos = measured(some(300, 64), A), some(50, 64, seed=1)
    file = tmp_path / "x.hubness.safetensors"
    hubness.save(hubs, file)
    np.testing.assert_allclose(hubness.load(file, A, 64).of(photos), hubs.of(photos), atol=1e-3)
    assert file.stat().st_size < 300 * 64


def test_another_encoders_is_not_used_and_a_broken_one_is_told(tmp_path) -> None:
    file = tmp_path / "x.hubness.safetensors"
    assert not len(hubness.load(file, A, 8).coordinates)  # there is none
    hubness.save(measured(some(9), A), file)
    assert not len(hubness.load(file, "b" * 64, 8).coordinates)
    with pytest.raises(OSError, match="does not fit"):
        hubness.load(file, A, 9)
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(OSError, match="cannot be read"):
        hubness.load(file, A, 8)
    file.write_bytes(safetensors.numpy.save({"mean": np.zeros(8)}, {"encoder": A}))
    with pytest.raises(OSError, match="cannot be read"):
        hubness.load(file, A, 8)


def test_an_encoder_whose_hubness_is_broken_says_so(tmp_path) -> None:
    checkpoint = tmp_path / "some.safetensors"
    checkpoint.symlink_to(shipped())
    hubness.beside(checkpoint).write_bytes(b"no tensors")
    with pytest.raises(EncoderError, match=r"some\.hubness\.safetensors"):
        load_encoder(checkpoint, "cpu")


def test_the_shipped_one_belongs_to_the_shipped_encoder() -> None:
    encoder = load_encoder(None, "cpu")
    assert encoder.hubness.encoder == encoder.digest == SHIPPED_DIGEST
    assert len(encoder.hubness.coordinates) > 2000
    files = (shipped(), hubness.beside(shipped()))
    assert sum(file.stat().st_size for file in files) < 30e6
