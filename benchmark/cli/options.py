"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[Path, typer.Option("--runs", help="Where records are written and read.")]
NoPublished = Annotated[bool, typer.Option("--no-published",
                                           help="Leave out the records that come with lhlbench.")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", envvar="LHLBENCH_DATA",
                                               help="Where real data sets are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Root = Annotated[Path | None, typer.Option("--root", "--data-root", envvar="LHLBENCH_DATA",
                                           help="Where prepared data are kept; default: the "
                                                "cache.")]
DataSettings = Annotated[list[str] | None, typer.Option("--set", help="An option of the data set, "
                                                        "KEY=VALUE.")]
Sequences = Annotated[str, typer.Option("--sequences", help="Names or globs, with commas.")]
Where = Annotated[list[str] | None, typer.Option("--where", help="Only runs with this setting, "
                                                 "KEY=VALUE such as recipe.lr=0.02; repeatable.")]
StoreName = Annotated[str, typer.Argument(help="a data set, a sequence family, FILE.yaml, or the "
                                          "folder of a store")]
RUNS = Path("results/runs")
