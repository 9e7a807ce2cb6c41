"""Options that several commands share, and the checks of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.engine.request import DEFAULT_RUNS
from benchmark.errors import RequestError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Runs = Annotated[Path, typer.Option("--runs", help="Where records are written and read.")]
NoPublished = Annotated[bool, typer.Option("--no-published",
                                           help="Leave out the records that come with lhlbench.")]
RUNS = DEFAULT_RUNS

# What to run, and how.
Settings = Annotated[list[str] | None, typer.Option(
    "--set", help="Override recipe.KEY=VALUE or dataset.KEY=VALUE; repeatable.")]
RecipeName = Annotated[str | None, typer.Option("--recipe",
                                                help="Another recipe than the family's.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", envvar="LHLBENCH_DATA",
                                               help="Where real data sets are kept.")]

# What to show of the runs.
Sequences = Annotated[str, typer.Option("--sequences", help="Names or globs, with commas.")]
Where = Annotated[list[str] | None, typer.Option("--where", help="Only runs with this setting, "
                                                 "KEY=VALUE such as recipe.lr=0.02; repeatable.")]
Baseline = Annotated[str, typer.Option("--baseline", help="finetune, separate or joint")]
Convention = Annotated[str, typer.Option("--convention", help="pixel, image or batch:N")]
Format = Annotated[str, typer.Option("--format", help="rich, md, csv, latex, html or json")]
Records = Annotated[list[Path], typer.Argument(
    help="record.json files, folders that hold records, or globs")]

# Trained runs.
RunName = Annotated[str, typer.Argument(
    metavar="RUN", help="a run id, the beginning of one, or the folder of a run")]
MethodFile = Annotated[str | None, typer.Option(
    "--method", metavar="FILE", help="The file of the method, where it is your own and predicts "
    "in its own way.")]
TaskNames = Annotated[str | None, typer.Option("--tasks", help="Only these, with commas.")]

# Data sets.
Root = Annotated[Path | None, typer.Option("--root", "--data-root", envvar="LHLBENCH_DATA",
                                           help="Where prepared data are kept; default: the "
                                                "cache.")]
DataSettings = Annotated[list[str] | None, typer.Option("--set", help="An option of the data set, "
                                                        "KEY=VALUE; repeatable.")]
StoreName = Annotated[str, typer.Argument(help="a data set, a sequence family, FILE.yaml, or the "
                                          "folder of a store")]


def names_in(text: str | None) -> list[str] | None:
    """The names of a list with commas; None where the option was not given."""
    return None if text is None else [name.strip() for name in text.split(",")]


def require_folder(option: str, folder: Path | None) -> None:
    """Raise `RequestError` for a folder that was given and is not there."""
    if folder is not None and not folder.is_dir():
        raise RequestError(f"{option} {folder} is not a folder")


def require_writable(runs: Path) -> None:
    """Raise `RequestError` when nothing can be written below `runs`, which is made if missing."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        probe = runs / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RequestError(f"--runs {runs} cannot be written: {error.strerror}; "
                           "give another folder") from None
