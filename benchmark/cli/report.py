"""`lhlbench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import RUNS, AsJson, NoPublished, Runs, Sequences, Where
from benchmark.cli.output import print_json, print_line, print_notes


def report(to: Annotated[Path, typer.Option("--to", help="Folder of the site; an old site there "
                                            "is replaced.")] = Path("results/site"),
           sequences: Sequences = "*", where: Where = None, runs: Runs = RUNS,
           no_published: NoPublished = False,
           serve: Annotated[bool, typer.Option("--serve", help="Then show it to browsers on this "
                                               "machine until Ctrl-C.")] = False,
           port: Annotated[int, typer.Option(min=0, max=65535, help="For --serve; 0 is any free "
                                             "one.")] = 0,
           as_json: AsJson = False) -> None:
    """Write the leaderboards, and a page per method and run, as a folder of pages."""
    from benchmark.cli.records import finished_records
    from benchmark.report.site.serve import serve as serve_site
    from benchmark.report.site.write import write_site

    written = write_site(finished_records(runs, no_published, where), to, sequences.split(","))
    print_notes(written.notes)
    if as_json:
        print_json({"index": str(written.index), "leaderboards": written.leaderboards,
                    "methods": written.methods, "runs": written.runs,
                    "notes": list(written.notes)})
    else:
        print_line(f"{written.index}: {written.leaderboards} leaderboards, "
                   f"{written.methods} methods, {written.runs} runs")
    if serve:
        serve_site(to, port, lambda address: print_notes([f"{address} until Ctrl-C"]))
