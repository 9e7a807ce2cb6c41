"""`lhlbench report`: the results as a folder of pages, and a look at it on this machine."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmark.cli.collecting import collected
from benchmark.cli.output import print_json


def report_command(to: Path, sequences: str, runs: Path, no_published: bool, where: list[str],
                   serving: bool, port: int, as_json: bool) -> None:
    """Write the site and print where it is; serve it until Ctrl-C when asked to."""
    from benchmark.report.site.serve import serve
    from benchmark.report.site.write import write_site

    written = write_site(collected(runs, no_published, where), to, sequences.split(","))
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in written.notes:
        errors.print(note, markup=False)
    if as_json:
        print_json({"index": str(written.index), "leaderboards": written.leaderboards,
                    "methods": written.methods, "runs": written.runs,
                    "notes": list(written.notes)})
    else:
        print(f"{written.index}: {written.leaderboards} leaderboards, {written.methods} methods, "
              f"{written.runs} runs")
    if serving:
        serve(to, port, lambda address: errors.print(f"{address} until Ctrl-C", markup=False))
