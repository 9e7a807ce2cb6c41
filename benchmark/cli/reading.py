"""Commands that read what runs left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import RUNS, AsJson, DataRoot, NoPublished, Runs, Sequences, Where


def ls(what: Annotated[str, typer.Argument(help="methods, sequences, datasets or runs")],
       runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """List what there is."""
    from benchmark.cli.listing import ls_command

    ls_command(what, runs, no_published, as_json)


def show(name: Annotated[str, typer.Argument(help="a method, a sequence, or a run")],
         runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Show a method's settings and sources, a sequence, or a run's matrix."""
    from benchmark.cli.showing import show_command

    show_command(name, runs, no_published, as_json)


def table(sequences: Sequences = "*", where: Where = None,
          baseline: Annotated[str, typer.Option(help="finetune, separate or joint")] = "finetune",
          convention: Annotated[str, typer.Option(help="pixel, image or batch:N")] = "pixel",
          format: Annotated[str, typer.Option(help="rich, md, csv, latex, html or json")] = "rich",
          columns: Annotated[str | None, typer.Option(help="Such as metrics,delta,gap,worst, with "
                                                      "commas: docs/tables.md lists them.")
                             ] = None,
          all_metrics: Annotated[bool, typer.Option("--all-metrics", help="Every metric, not only "
                                                    "primary ones.")] = False,
          costs: Annotated[bool, typer.Option("--costs", help="Delta and what methods cost: "
                                              "memory, exemplars, parameters, passes, time.")
                           ] = False,
          orders: Annotated[bool, typer.Option("--orders", help="Methods x orders of a family: "
                                               "Delta of each order, mean, worst.")] = False,
          ablation: Annotated[str | None, typer.Option(help="METHOD: its configurations that "
                                                       "differ from the usual one in one setting.")
                              ] = None,
          runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Compare methods: metrics, Delta, forgetting, costs; missing runs are shown."""
    from benchmark.cli.results import table_command

    table_command(sequences, baseline, convention, "json" if as_json else format, columns,
                  all_metrics, costs, orders, ablation, runs, no_published, where or [])


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
    from benchmark.cli.plotting import plot_command

    plot_command(what, sequences, methods, baseline, to, runs, no_published, where or [], as_json)


def compare(methods: Annotated[list[str], typer.Argument(help="labels or globs, such as had or "
                                                         "'had (weight=6)', with commas; each is "
                                                         "set against the last")],
            sequences: Sequences = "*", where: Where = None,
            metric: Annotated[str, typer.Option(help="delta, or TASK/METRIC")] = "delta",
            baseline: Annotated[str, typer.Option(help="finetune, separate or joint")] = "finetune",
            convention: Annotated[str, typer.Option(help="pixel, image or batch:N")] = "pixel",
            runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Is one method better than another? Paired over orders and seeds, with exact tests."""
    from benchmark.cli.comparing import compare_command

    compare_command(methods, sequences, baseline, metric, convention, runs, no_published,
                    where or [], as_json)


def paper(name: Annotated[str, typer.Argument(help="had, jointdistill or heteroakd")],
          embedded: Annotated[bool, typer.Option("--embedded", help="Fill the tables from rendered "
                                                 "data, on any machine.")] = False,
          sequences: Annotated[str | None, typer.Option(
              "--sequences", help="Only tables measured on these: names or globs, with commas."
              )] = None,
          tuned: Annotated[bool, typer.Option("--tuned", help="Methods as tuned for the family, "
                                              "where they are.")] = False,
          convention: Annotated[str, typer.Option(help="pixel, image or batch:N")] = "pixel",
          format: Annotated[str, typer.Option(help="rich, md, csv, latex, html or json")] = "rich",
          only_missing: Annotated[bool, typer.Option("--missing", help="Only the commands of runs "
                                                     "that are missing.")] = False,
          data_root: DataRoot = None, runs: Runs = RUNS, no_published: NoPublished = False,
          as_json: AsJson = False) -> None:
    """Show a paper's tables: its numbers beside ours, and how to measure what is missing."""
    from benchmark.cli.papers import paper_command

    paper_command(name, embedded, tuned, sequences, convention, "json" if as_json else format,
                  only_missing, data_root, runs, no_published)


def validate(records: Annotated[list[Path], typer.Argument(
                 help="record.json files, folders that hold records, or globs")],
             with_data: Annotated[bool, typer.Option("--with-data", help="Also open the data sets "
                                                     "and compare them.")] = False,
             data_root: DataRoot = None, as_json: AsJson = False) -> None:
    """Check that records are what runs left: the first difference of each is told."""
    from benchmark.cli.submitting import validate_command

    validate_command(records, with_data, data_root, as_json)


def submit(records: Annotated[list[Path], typer.Argument(
               help="record.json files, folders that hold records, or globs")],
           to: Annotated[Path, typer.Option("--to", help="A new folder, or a .zip.")] = Path(
               "submission"),
           as_json: AsJson = False) -> None:
    """Pack records to hand them in, and tell what a ranked row still lacks."""
    from benchmark.cli.submitting import submit_command

    submit_command(records, to, as_json)


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
    from benchmark.cli.publishing import report_command

    report_command(to, sequences, runs, no_published, where or [], serve, port, as_json)
