"""`lhlbench paper`."""

from __future__ import annotations

from typing import Annotated

import typer

from benchmark.cli.options import RUNS, AsJson, Convention, DataRoot, Format, NoPublished, Runs
from benchmark.cli.output import PlainConsole, print_json, print_notes, print_text
from benchmark.engine.request import option_words


def paper(name: Annotated[str, typer.Argument(help="had, jointdistill or heteroakd")],
          embedded: Annotated[bool, typer.Option("--embedded", help="Fill the tables from rendered "
                                                 "data, on any machine.")] = False,
          sequences: Annotated[str | None, typer.Option(
              "--sequences", help="Only tables measured on these: names or globs, with commas."
              )] = None,
          tuned: Annotated[bool, typer.Option("--tuned", help="Methods as tuned for the family, "
                                              "where they are.")] = False,
          convention: Convention = "pixel", format: Format = "rich",
          only_missing: Annotated[bool, typer.Option("--missing", help="Only the commands of runs "
                                                     "that are missing.")] = False,
          data_root: DataRoot = None, runs: Runs = RUNS, no_published: NoPublished = False,
          as_json: AsJson = False) -> None:
    """Show a paper's tables: its numbers beside ours, and how to measure what is missing."""
    from benchmark.cli.records import all_records
    from benchmark.report.papers.build import paper_tables
    from benchmark.report.papers.published import published_cells
    from benchmark.report.papers.text import missing_runs, render_paper

    cells = published_cells(name)
    collection = all_records(runs, no_published)
    print_notes(collection.warnings)
    tables = paper_tables(cells, collection, embedded, sequences.split(",") if sequences else None,
                          convention, tuned, option_words(data_root=data_root, runs=runs))
    format = "json" if as_json else format
    if not only_missing:
        print_text(render_paper(tables, format, PlainConsole()))
    elif format == "json":
        print_json(missing_runs(tables))
    else:
        print_text("".join(f"{command}\n" for command in missing_runs(tables)))
