"""`lhlbench plot`: figures of what runs left."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmark.cli.collecting import collected
from benchmark.cli.output import print_json
from benchmark.errors import RequestError, unknown

ALL = "all"


def plot_command(what: str, sequences: str, methods: str | None, baseline: str | None, to: Path,
                 runs: Path, no_published: bool, where: list[str], as_json: bool) -> None:
    """Draw one kind of plot, or all, and print the paths of their files.

    What the records do not allow is told on stderr while other figures are drawn; exit code 2
    when there is none.
    """
    from benchmark.report.plots import PLOTS, WITH_BASELINE, draw
    from benchmark.report.runs.grid import BASELINES

    if what not in (*PLOTS, ALL):
        raise unknown("plot", what, (*PLOTS, ALL))
    if baseline is not None and baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES)
    collection = collected(runs, no_published, where)
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
    _tell([*(f"{kind} is not drawn: {error}" for kind, error in refusals.items()),
           *(f"left out: {each.message}" for each in caught)])
    if as_json:
        print_json([str(file) for file in files])
    else:
        print("\n".join(map(str, files)))


def _tell(lines: Sequence[str]) -> None:
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in dict.fromkeys(lines):
        errors.print(line, markup=False)
