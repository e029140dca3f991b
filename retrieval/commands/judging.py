"""What `evaluate --failures` and `encoder promote` share: judging an encoder by failure cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from retrieval import failure_set
from retrieval.console import answers, print_json, progress_bars, watch
from retrieval.home import Home

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.evaluation import Findings

_VERDICTS = {
    "better": "[green]better[/]: it may be promoted.",
    "not worse": "[green]not worse[/]: it may be promoted.",
    "worse": "[red]worse[/]: it will not be promoted.",
    "too few": "[yellow]too few[/] judged drawings to tell",
}


def judge(
    home: Home,
    failures: Path,
    candidate: Encoder,
    incumbent: Encoder,
    out: Path | None = None,
    *,
    only_the_file: bool = False,
    seed: int = 0,
) -> Findings:
    """Judge behind a progress bar; write the pictures where that is asked."""
    from retrieval import evaluation

    cases = failure_set.read(failures)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # refused before the work, not after it
    with progress_bars() as show:
        found = evaluation.evaluate_failures(
            home, cases, candidate, incumbent, show, only_the_file=only_the_file, seed=seed
        )
    if out is not None:
        for name, changes, title in (
            ("fixed", found.fixed, "Failures that are fixed"),
            ("broken", found.broken, "Good matches that broke"),
        ):
            picture = out / f"{name}.png"
            evaluation.render_changes(found, changes, title).save(picture, "PNG")
            watch.print(f"Written: {picture}", highlight=False, markup=False)
    return found


def print_findings(found: Findings, as_json: bool) -> None:
    """Print what was found, for programs or for people."""
    from retrieval import evaluation

    told = evaluation.findings_document(found)
    if as_json:
        print_json(told)
        return
    table = Table("", "", "95 % interval", box=None, header_style="dim")

    def row(name: str, value: float | None, bounds: tuple[float, float] | None, of: str) -> None:
        shown = "–" if value is None else f"[bold]{value:.3f}[/]"
        low_high = f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else "–"
        table.add_row(name, f"{shown} {of}", low_high)

    row("failures fixed", told.fixed_share, told.fixed_interval, f"{told.fixed}/{told.failures}")
    row("good ones broken", told.broken_share, told.broken_interval, f"{told.broken}/{told.goods}")
    row("good photos shown, before", told.score_before, None, "")
    row("good photos shown, now", told.score, None, "")
    row("difference", told.difference, told.difference_interval, "")
    answers.print(table)
    needed = f"; about {told.needed} would do" if told.needed else ""
    verdict = f"{told.encoder} against {told.incumbent}: {_VERDICTS[told.verdict]}{needed}"
    if told.encoder == told.incumbent:
        verdict = f"{told.encoder} serves: this is what it shows now of what members judged."
    answers.print(
        f"{verdict}\n"
        f"[dim]{told.cases} drawings, {told.judged} of them judged. Nobody judged "
        f"{told.unjudged_share:.0%} of what is shown now: estimated, see docs/failures.md.[/]",
        highlight=False,
    )
    if told.photos_gone:
        answers.print(f"{told.photos_gone} judged photos are not in the gallery any more.")
    if told.unreadable:
        answers.print(f"{len(told.unreadable)} drawings could not be used.")
    if told.galleries_missing:
        missing = ", ".join(told.galleries_missing)
        answers.print(f"Left out are drawings whose photos are not here: {missing}.")
