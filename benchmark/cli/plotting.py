"""`lhlbench plot`: figures of what runs left."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmark.cli.collecting import collected
from benchmark.cli.output import print_json
from benchmark.errors import RequestError, unknown

ALL = "all"


def plot_command(what: str, sequences: str, methods: str | None, baseline: str | None, to: Path,
                 runs: Path, no_published: bool, as_json: bool) -> None:
    """Draw one kind of plot, or all, and print the paths of their files.

    `all` tells which kinds the records do not allow and draws the others; exit code 2 when it
    can draw none.
    """
    from benchmark.report.plots import PLOTS, draw

    if what not in (*PLOTS, ALL):
        raise unknown("plot", what, (*PLOTS, ALL))
    collection = collected(runs, no_published)
    files: list[Path] = []
    refusals: list[str] = []
    for kind in PLOTS if what == ALL else [what]:
        try:
            files += draw(kind, collection, sequences.split(","), to,
                          methods.split(",") if methods else (), baseline)
        except RequestError as error:
            if what != ALL:
                raise
            refusals.append(f"{kind} is not drawn: {error}")
    if not files and refusals:
        raise RequestError("; ".join(dict.fromkeys(refusals)))
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    for refusal in refusals:
        errors.print(refusal, markup=False)
    if as_json:
        print_json([str(file) for file in files])
    else:
        print("\n".join(map(str, files)))
