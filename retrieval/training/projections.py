"""Train the two projections on frozen features: the cheapest recipe, minutes on a CPU.

The loop and its hyper-parameters. Features come ready from `features`, losses from `objectives`.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import nn
from torch.nn import functional

from retrieval.encoder.network import SketchPhotoNetwork
from retrieval.evaluation import metrics
from retrieval.training.objectives import CosineClassifier, cross_domain_contrast


@dataclasses.dataclass(frozen=True, slots=True)
class Hyper:
    """What was chosen on the validation categories."""

    learned: int = 256
    kept: int = 256
    kept_weight: float = 0.65
    batch: int = 512
    rate: float = 2e-3
    decay: float = 1e-2
    dropout: float = 0.2
    temperature: float = 0.1
    instance_weight: float = 0.3
    edge_weight: float = 0.75


@dataclasses.dataclass(frozen=True, slots=True)
class Domain:
    """Frozen features of one domain: (n, views, width), the first view untouched.

    `categories` (n,) are numbers shared by both domains; `instances` (n,) say which photo a picture
    is or was drawn from, -1 where unknown.
    """

    features: torch.Tensor
    categories: torch.Tensor
    instances: torch.Tensor

    def where(self, chosen: torch.Tensor) -> Domain:
        """Keep the pictures chosen by a mask (n,)."""
        return Domain(self.features[chosen], self.categories[chosen], self.instances[chosen])


@dataclasses.dataclass(frozen=True, slots=True)
class Twins:
    """Frozen features of photos' edge maps and of the photos themselves, row by row.

    Both (n, views, width). They need neither labels nor anybody's drawings.
    """

    edges: torch.Tensor
    photos: torch.Tensor


def train_projections(
    network: SketchPhotoNetwork,
    sketches: Domain,
    photos: Domain,
    twins: Twins,
    hyper: Hyper,
    epochs: int,
    seed: int,
) -> None:
    """Set means, kept components and learned projections of `network`, in place."""
    torch.manual_seed(seed)
    heads = network.sketch_head, network.photo_head
    for head, domain in zip(heads, (sketches, photos), strict=True):
        head.mean.copy_(domain.features.mean(dim=(0, 1)))
    drawn = network.sketch_head.centred(sketches.features)
    taken = network.photo_head.centred(photos.features)
    # Edge maps are a third domain with a mean of their own; what remains is projected as drawings.
    edges = functional.normalize(twins.edges - twins.edges.mean(dim=(0, 1)), dim=-1)
    edged = network.photo_head.centred(twins.photos)
    components = _components(torch.cat([drawn.flatten(0, 1), taken.flatten(0, 1)]), hyper.kept)
    network.kept.weight.data.copy_(components)
    for head in heads:  # both begin as the same space: training bends it instead of finding it
        head.learned.weight.data.copy_(_padded(components, hyper.learned))
        head.learned.bias.data.zero_()
    labels, known = _renumbered(sketches.categories, photos.categories)
    classifiers = [CosineClassifier(hyper.learned, known) for _ in heads]
    own = _photos_by_instance(sketches.instances, photos.instances)

    parameters = [*heads[0].parameters(), *heads[1].parameters()]
    directions = [module.directions for module in classifiers]
    optimizer = torch.optim.AdamW(
        [
            {"params": parameters, "lr": hyper.rate},
            {"params": directions, "lr": 5 * hyper.rate, "weight_decay": 0.0},
        ],
        lr=hyper.rate,
        weight_decay=hyper.decay,
    )
    steps = epochs * (len(drawn) // hyper.batch + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [hyper.rate, 5 * hyper.rate], steps)
    for _ in range(steps):
        s = torch.randint(len(drawn), (hyper.batch,))
        p = torch.randint(len(taken), (hyper.batch,))
        # A quarter of the photos are the drawings' own, or the instance term would rarely speak.
        mine = own[s[: hyper.batch // 4]]
        p[: len(mine)] = torch.where(mine >= 0, mine, p[: len(mine)])
        loss = _loss(
            (_embedded(heads[0], drawn[s], hyper.dropout), labels[sketches.categories[s]]),
            (_embedded(heads[1], taken[p], hyper.dropout), labels[photos.categories[p]]),
            own[s][:, None] == p,
            classifiers,
            hyper,
        )
        t = torch.randint(len(edges), (hyper.batch,))
        loss = loss + hyper.edge_weight * cross_domain_contrast(
            _embedded(heads[0], edges[t], hyper.dropout),
            _embedded(heads[1], edged[t], hyper.dropout),
            t[:, None] == t,
            hyper.temperature,
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def evaluate(network: SketchPhotoNetwork, sketches: Domain, photos: Domain) -> metrics.Scores:
    """Retrieve photos for drawings, both as they are (their first view)."""
    with torch.inference_mode():
        drawn = network.project(sketches.features[:, 0], network.sketch_head)
        taken = network.project(photos.features[:, 0], network.photo_head)
    return metrics.evaluate(
        metrics.Embedded(drawn, sketches.categories, sketches.instances),
        metrics.Embedded(taken, photos.categories, photos.instances),
    )


def _loss(
    sketches: tuple[torch.Tensor, torch.Tensor],
    photos: tuple[torch.Tensor, torch.Tensor],
    paired: torch.Tensor,
    classifiers: list[CosineClassifier],
    hyper: Hyper,
) -> torch.Tensor:
    same = sketches[1][:, None] == photos[1]
    loss: torch.Tensor = (
        cross_domain_contrast(sketches[0], photos[0], same, hyper.temperature)
        + hyper.instance_weight
        * cross_domain_contrast(sketches[0], photos[0], paired, hyper.temperature)
        + 0.5 * (classifiers[0](*sketches) + classifiers[1](*photos))
    )
    return loss


def _embedded(head: nn.Module, views: torch.Tensor, dropout: float) -> torch.Tensor:
    """Embed one random view of each picture: (n, views, width) to unit rows."""
    view = torch.randint(views.shape[1], (len(views),))
    rows: torch.Tensor = head(functional.dropout(views[torch.arange(len(views)), view], dropout))
    return rows


def _components(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Return the first principal components (count, width) of rows; exact, by the covariance."""
    rows = rows - rows.mean(dim=0)
    vectors = torch.linalg.eigh(rows.T @ rows)[1]
    components: torch.Tensor = vectors.flip(dims=(1,))[:, :count].T.contiguous()
    return components


def _padded(components: torch.Tensor, count: int) -> torch.Tensor:
    rows = 0.02 * torch.randn(count, components.shape[1])
    rows[: min(count, len(components))] = components[:count]
    return rows


def _renumbered(*categories: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return a table from category numbers to 0, 1, ... without holes, and how many there are."""
    present = torch.unique(torch.cat(categories))
    table = torch.full((int(present.max()) + 1,), -1)
    table[present] = torch.arange(len(present))
    return table, len(present)


def _photos_by_instance(sketches: torch.Tensor, photos: torch.Tensor) -> torch.Tensor:
    """Return, for every drawing, the row of its own photo, or -1."""
    rows = {int(instance): row for row, instance in enumerate(photos) if instance >= 0}
    return torch.tensor([rows.get(int(instance), -1) for instance in sketches])
