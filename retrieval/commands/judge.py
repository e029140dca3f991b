"""`magic-pencil calibrate` and `magic-pencil refusals`: measure and choose their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.console import JsonOption, answers, print_json, progress_bars, reported_errors, watch

SketchesOption = Annotated[Path, typer.Option(help="Drawings, in folders by category.")]
PhotosOption = Annotated[Path, typer.Option(help="Photos, in folders by category.")]
DistractorsOption = Annotated[Path | None, typer.Option(help="More photos, of other things.")]


def calibrate(
    sketches: Annotated[
        list[Path], typer.Option(help="Drawings, in folders by category; may be given again.")
    ],
    photos: Annotated[list[Path], typer.Option(help="The photos of each, in folders by category.")],
    distractors: DistractorsOption = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The encoder.", show_default="the one shipped")
    ] = None,
    numbers: Annotated[
        Path | None,
        typer.Option(help="A confidence.json to check.", show_default="the one that ships"),
    ] = None,
    fit: Annotated[
        Path | None, typer.Option(help="Choose the numbers anew and write them to this file.")
    ] = None,
    fit_for: Annotated[
        Path | None,
        typer.Option(help="The encoder that they are for.", show_default="the one measured with"),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the reliability plot here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well a confidence is kept: of searches 80 % sure, 80 % should be right.

    Right is an answer with a photo of the drawing's category among its first five. Drawings must be
    ones that the encoder was not trained on. Numbers chosen anew are measured by cross-validation:
    each category by numbers that were chosen without it.
    """
    with reported_errors(as_json):
        from retrieval import confidence, evaluation
        from retrieval.encoder import load_encoder, shipped
        from retrieval.evaluation import calibration

        encoder = load_encoder(checkpoint, "cpu")
        if len(sketches) != len(photos):
            raise typer.BadParameter("Give --sketches and --photos equally often.")
        searches: dict[str, calibration.Searches] = {}
        for number, (drawn, taken) in enumerate(zip(sketches, photos, strict=True), start=1):
            collection = evaluation.read(drawn, taken, distractors)
            with progress_bars() as show:
                found = calibration.searches(encoder, collection, show)
            which = f" {number}" if len(sketches) > 1 else ""
            searches |= {f"{name}{which}": part for name, part in found.items()}
        if fit is not None:
            meant = load_encoder(fit_for, "cpu") if fit_for else encoder
            chosen = calibration.fit(calibration.together(searches.values()), meant.digest)
            calibration.save(chosen, fit)
            watch.print(f"Written: {fit}", highlight=False, markup=False)
            said = calibration.cross_validated(searches)
        else:
            chosen = confidence.read(numbers or confidence.beside(shipped()))
            said = {key: chosen.probability(part.figures) for key, part in searches.items()}
        kept = {
            name: calibration.reliability(said[name], part.right) for name, part in searches.items()
        }
        if plot is not None:
            calibration.plot(kept, plot)
        if as_json:
            print_json({"encoder": encoder.label, "searches": kept})
        else:
            answers.print(calibration.table(kept), highlight=False)


def refusals(
    sketches: SketchesOption,
    photos: Annotated[list[Path], typer.Option(help="Photos; may be given several times.")],
    fit: Annotated[
        Path | None, typer.Option(help="Choose the numbers anew and write them to this file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how photos, writing, noise and empty pages are told from drawings.

    One half of the categories and files chooses the numbers, the other half is reported.
    """
    with reported_errors(as_json):
        import msgspec

        from retrieval.evaluation import refusals as measured
        from retrieval.sketches import judgement

        drawn, taken = measured.pictures(sketches, photos)
        with progress_bars() as show:
            model = judgement.model()
            if fit is not None:
                chosen = list(measured.samples(drawn, taken, fitting=True))
                model = measured.fit(measured.judge(chosen, model, show))
                fit.write_bytes(msgspec.json.format(msgspec.json.encode(model)) + b"\n")
            others = list(measured.samples(drawn, taken, fitting=False))
            found = measured.summary(measured.judge(others, model, show))
        if as_json:
            print_json(found)
            return
        for kind in found.verdicts:
            answers.print(f"{kind:8} refused {found.share(kind):6.1%}  {found.verdicts[kind]}")
        for detail, share in found.refused.items():
            if share:
                answers.print(f"  drawings, {detail}: {share:.1%}")
