"""Every recipe learns: on shapes, a few steps lower its loss and bring drawings to their photos."""

from __future__ import annotations

import pytest
import torch

from retrieval.commands.train import Recipes
from retrieval.training.examples import Examples, Part
from retrieval.training.recipes import RECIPES, Options
from retrieval.training.recipes.deep_ranking import DeepRanking
from retrieval.training.recipes.modern_trunk import ModernTrunk
from retrieval.training.validation import validator

from .conftest import make

World = tuple[Examples, dict[str, Part]]


def test_the_command_knows_every_recipe() -> None:
    assert {recipe.value for recipe in Recipes} == set(RECIPES)


@pytest.mark.parametrize("name", [*RECIPES, "trunk"])
def test_a_recipe_learns(name: str, world: World, options: Options) -> None:
    recipe = make(name, world, options)
    optimizer = torch.optim.AdamW(
        [{"params": list(p), "lr": 1e-3 * factor} for factor, p in recipe.groups() if p]
    )
    examples, parts = world
    measure = validator(recipe, examples, {"seen": parts["train"]})
    assert measure is not None
    before = measure(recipe.network.eval())["seen_map"]
    recipe.train()
    history = []
    for _ in range(120):
        loss = torch.stack(list(recipe.losses().values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    assert sum(history[-10:]) < 0.9 * sum(history[:10]), history
    after = measure(recipe.network.eval())["seen_map"]
    print(name, before, after)
    assert after > before + 0.05


@pytest.mark.parametrize("name", [*RECIPES, "trunk"])
def test_only_what_may_change_changes(name: str, world: World, options: Options) -> None:
    recipe = make(name, world, options)
    torch.stack(list(recipe.losses().values())).sum().backward()
    moved = {key for key, p in recipe.network.named_parameters() if p.grad is not None}
    frozen = {key for key, p in recipe.network.named_parameters() if not p.requires_grad}
    assert moved
    assert not moved & frozen
    grouped = {id(p) for _, parameters in recipe.groups() for p in parameters}
    assert grouped == {id(p) for p in recipe.parameters() if p.requires_grad}
    if name == "trunk":
        assert not any(key.startswith(("photo.trunks", "photo.heads.1")) for key in moved)
        assert any(key.startswith("sketch.trunks") for key in moved)
    if name == "modern":
        heads = {f"{domain}.heads.{number}" for domain in ("sketch", "photo") for number in (0, 1)}
        assert {key.rpartition(".")[0] for key in moved} == heads | {"sketch.heads.2"}


@pytest.mark.parametrize(
    ("name", "shared"),
    [("siamese", True), ("deep-ranking", True), ("triplet", False), ("triplet-class", False)],
)
def test_branches_share_what_the_paper_shares(
    name: str, shared: bool, world: World, options: Options
) -> None:
    network = make(name, world, options).network
    assert (network.sketch is network.photo) is shared
    pixels = torch.rand(2, 3, 64, 64) * 255
    network.eval()
    if not shared:
        network.sketch.trunks[0].backbone.conv_stem.weight.data += 1
        before = network.embed_photos(pixels)
        network.sketch.trunks[0].backbone.conv_stem.weight.data += 1
        torch.testing.assert_close(network.embed_photos(pixels), before)


def test_deep_ranking_prefers_what_is_relevant(world: World, options: Options) -> None:
    recipe = make("deep-ranking", world, options)
    assert isinstance(recipe, DeepRanking)
    examples = world[0]
    sketches = world[1]["train"].sketches
    own = examples.own_photo[sketches]
    relevance = recipe.relevance(sketches, own[:, None])
    torch.testing.assert_close(relevance, torch.ones_like(relevance))
    positives, negatives = recipe.triplets(sketches)
    mine = examples.sketch_categories[sketches]
    assert torch.equal(examples.photo_categories[positives], mine)
    assert not bool((positives == negatives).any())
    inside = examples.photo_categories[negatives] == mine
    assert 0 < int(inside.sum()) < len(sketches)
    assert bool(
        (
            recipe.relevance(sketches, positives[:, None])
            > recipe.relevance(sketches, negatives[:, None])
        )[inside].all()
    )


def test_modern_begins_where_both_branches_agree(world: World, options: Options) -> None:
    """A photo shown to both branches lands at nearly the same place before anything is learned."""
    recipe = make("trunk", world, options)
    assert isinstance(recipe, ModernTrunk)
    network = recipe.network.eval()
    for branch in (network.sketch, network.photo):
        for mean in branch.means:
            mean.data.zero_()
    pixels = world[0].photo_pixels(torch.arange(3)).float()
    with torch.inference_mode():
        levels = network.photo.levels(pixels)
        layout = torch.rand(3, recipe.hyper.layout**2)  # which means nothing yet
        as_sketch = network.sketch.embed([*levels, layout])
        as_photo = network.photo.embed(levels)
    torch.testing.assert_close(as_sketch, as_photo, atol=1e-4, rtol=0)


def test_a_photo_out_of_training_is_refused(world: World, options: Options) -> None:
    examples, parts = world
    leaking = Part(parts["train"].sketches, parts["train"].photos[1:])
    with pytest.raises(ValueError, match="outside of training"):
        RECIPES["triplet"](examples, leaking, options)
