"""Commands that train encoders: where files, features and the loop come together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from platformdirs import user_cache_path

from retrieval.encoder import checkpoint, preprocessing
from retrieval.encoder.network import SketchPhotoNetwork
from retrieval.training import data, features, weights
from retrieval.training.projections import Domain, Hyper, Twins, evaluate, train_projections

app = typer.Typer(no_args_is_help=True, help="Train encoders.")

SIZE = 224
VARIED = 4  # redrawn views of each drawing
RECIPE = "projections-1"
HELD_SHARE = 0.25  # of the photos that have drawings


@app.callback()
def _commands() -> None:
    """Train encoders."""


@app.command("train-projections")
def train_projections_command(
    data_folder: Annotated[
        Path, typer.Option("--data", help="Folder that holds sketchy-mini and maybe photos-1000.")
    ],
    out: Annotated[Path, typer.Option(help="Checkpoint to write (.safetensors).")],
    epochs: Annotated[int, typer.Option(help="Passes over the drawings.", min=1)] = 40,
    seed: Annotated[int, typer.Option(help="Decides the split and every random choice.")] = 0,
    validation_categories: Annotated[
        int,
        typer.Option(help="Categories kept from training to measure on; 0: no measuring.", min=0),
    ] = 16,
    cache: Annotated[Path | None, typer.Option(help="Folder for frozen features.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 2,
) -> None:
    """Train the drawing and photo projections on a frozen EfficientNet-Lite0.

    First on a part of the categories, to measure honestly; then on all of them, which is what the
    checkpoint holds. Prints the figures of the first run and the SHA-256 of the second.
    """
    torch.set_num_threads(threads)
    pairs = data.read_sketchy(data_folder / "sketchy-mini")
    others = data.read_photos(data_folder / "photos-1000")
    cache = cache or user_cache_path("magic-pencil") / "training"
    sketches, photos, twins = load_features(pairs, others, cache)
    if validation_categories:
        validate(pairs, (sketches, photos, twins), epochs, seed, validation_categories)
    hyper = Hyper()
    network = new_network(hyper)
    train_projections(network, sketches, photos, twins, hyper, epochs, seed)
    metadata = checkpoint.Metadata(
        name=f"lite0-{RECIPE}",
        backbone=weights.BACKBONE,
        size=SIZE,
        learned=hyper.learned,
        kept=hyper.kept,
        kept_weight=hyper.kept_weight,
        recipe=f"{RECIPE}, epochs={epochs}, seed={seed}",
    )
    digest = checkpoint.save(out, network, metadata)
    typer.echo(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB), SHA-256 {digest}")


def load_features(
    pairs: data.Pairs, others: tuple[data.Picture, ...], cache: Path
) -> tuple[Domain, Domain, Twins]:
    """Compute or read the frozen features of all pictures.

    The twins' first rows are the photos of `pairs`, in order; the `others` follow.
    """
    numbers = {category: number for number, category in enumerate(pairs.categories)}
    instances = {photo.photo: number for number, photo in enumerate(pairs.photos)}
    backbone = weights.imagenet_lite0()

    def read(pictures: tuple[data.Picture, ...], views: features.Views, name: str) -> torch.Tensor:
        key = f"{weights.BACKBONE} {preprocessing.version(SIZE)} {name}"
        return features.frozen_features(backbone, pictures, views, cache, key)

    def domain(pictures: tuple[data.Picture, ...], rows: torch.Tensor) -> Domain:
        return Domain(
            rows,
            torch.tensor([numbers[picture.category] for picture in pictures]),
            torch.tensor([instances.get(picture.photo, -1) for picture in pictures]),
        )

    photo_views = features.photo_views(SIZE)
    photos = read(pairs.photos, photo_views, "photos")
    extra = [read(others, photo_views, "other photos")] if others else []
    edges = read((*pairs.photos, *others), features.edge_views(SIZE), "edges")
    sketches = read(pairs.sketches, features.sketch_views(VARIED, SIZE), f"drawings, {VARIED} more")
    return (
        domain(pairs.sketches, sketches),
        domain(pairs.photos, photos),
        Twins(edges, torch.cat([photos, *extra])),
    )


def validate(
    pairs: data.Pairs,
    all_features: tuple[Domain, Domain, Twins],
    epochs: int,
    seed: int,
    categories: int,
) -> None:
    """Train without some categories and some drawings of the others; print the figures on both."""
    sketches, photos, twins = all_features
    names = pairs.categories
    unseen = data.held_out_categories(names, categories, seed)
    numbers = torch.tensor([names.index(name) for name in sorted(unseen)])
    held = data.held_out_sketches(pairs.sketches, HELD_SHARE, seed)
    new_sketch = torch.isin(sketches.categories, numbers)
    new_photo = torch.isin(photos.categories, numbers)
    kept_back = torch.tensor([sketch.path in held for sketch in pairs.sketches]) & ~new_sketch
    known = torch.cat([~new_photo, torch.ones(len(twins.edges) - len(new_photo), dtype=torch.bool)])

    hyper = Hyper()
    network = new_network(hyper)
    learning = sketches.where(~new_sketch & ~kept_back), photos.where(~new_photo)
    some = Twins(twins.edges[known], twins.photos[known])
    train_projections(network, *learning, some, hyper, epochs, seed)
    quality = evaluate(network, sketches.where(new_sketch), photos.where(new_photo))
    typer.echo(f"unseen categories ({len(unseen)}): {quality}")
    quality = evaluate(network, sketches.where(kept_back), photos.where(~new_photo))
    typer.echo(f"held-out drawings of seen categories ({len(names) - len(unseen)}): {quality}")


def new_network(hyper: Hyper) -> SketchPhotoNetwork:
    """Build a network with ImageNet weights in the backbone and heads still to train."""
    network = SketchPhotoNetwork(weights.BACKBONE, hyper.learned, hyper.kept, hyper.kept_weight)
    network.backbone.load_state_dict(weights.imagenet_lite0().state_dict())
    return network


if __name__ == "__main__":
    app()
