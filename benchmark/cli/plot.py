"""`lhlbench plot`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import RUNS, AsJson, NoPublished, Runs, Sequences, Where
from benchmark.cli.output import print_json, print_line, print_notes
from benchmark.errors import RequestError, unknown

ALL = "all"


def plot(what: Annotated[str, typer.Argument(help="a kind of plot, or all: docs/plots.md lists "
                                             "them")],
         sequences: Sequences = "*", where: Where = None,
         methods: Annotated[str | None, typer.Option(help="Names or globs, with commas; baselines "
                                                     "and bounds stay.")] = None,
         baseline: Annotated[str | None, typer.Option(help="finetune, separate or joint, for "
                                                      "kinds that show gains.")] = None,
         to: Annotated[Path, typer.Option("--to", help="Folder for the figures.")] = Path(
             "results/plots"),
         runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Draw figures of what runs measured: PNG and PDF."""
    from benchmark.cli.records import finished_records
    from benchmark.report.plots import PLOTS, WITH_BASELINE, draw
    from benchmark.report.plots.figure import NotDrawn
    from benchmark.report.runs.grid import BASELINES

    if what not in (*PLOTS, ALL):
        raise unknown("plot", what, (*PLOTS, ALL))
    if baseline is not None and baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES)
    collection = finished_records(runs, no_published, where)
    files: list[Path] = []
    refusals: dict[str, RequestError] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in PLOTS if what == ALL else [what]:
            against = baseline if what != ALL or kind in WITH_BASELINE else None
            try:
                files += draw(kind, collection, sequences.split(","), to,
                              methods.split(",") if methods else (), against)
            except RequestError as error:
                if what != ALL:
                    raise
                refusals[kind] = error
    if refusals and not files:
        raise next(iter(refusals.values()))
    print_notes([*(f"{kind} is not drawn: {error}" for kind, error in refusals.items()),
                 *(f"left out: {each.message}" for each in caught
                   if issubclass(each.category, NotDrawn))])
    if as_json:
        print_json([str(file) for file in files])
    else:
        print_line("\n".join(map(str, files)))
