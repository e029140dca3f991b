"""The commands that need no Discord, a module each; they are mounted by ``bot.cli``.

Whatever loads torch is imported where it is used, so that ``--help`` answers at once.
"""

import typer

from retrieval.commands import bench, encoder, evaluate, index, judge, match, serve, train

app = typer.Typer(no_args_is_help=True)
app.command()(match.match)
app.add_typer(index.app, name="index")
app.add_typer(encoder.app, name="encoder")
app.command()(evaluate.evaluate)
app.command()(judge.calibrate)
app.command()(judge.refusals)
app.command()(train.train)
app.add_typer(bench.app, name="bench")
app.command()(serve.worker)
app.command()(serve.health)

__all__ = ["app"]
