"""Commands of `lhlbench data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import AsJson, DataSettings, Root, StoreName


def prepare(dataset: Annotated[str, typer.Argument(help="nyuv2, cityscapes, taskonomy or "
                                                   "pascal_context")],
            source: Annotated[Path, typer.Option("--from", help="The folder, or main file, that "
                                                 "holds the data set.")],
            root: Root = None, settings: DataSettings = None,
            workers: Annotated[int | None, typer.Option(min=1, help="Default: one per core.")
                               ] = None,
            overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what was prepared "
                                                    "before.")] = False,
            as_json: AsJson = False) -> None:
    """Read a real data set once into one fast store; goes on where it was interrupted."""
    from benchmark.cli.data import prepare_command

    prepare_command(dataset, source, root, settings or [], workers, overwrite, as_json)


def verify(name: StoreName, root: Root = None, settings: DataSettings = None,
           as_json: AsJson = False) -> None:
    """Hash a store again, check every value, and print class and depth statistics."""
    from benchmark.cli.data import verify_command

    verify_command(name, root, settings or [], as_json)


def info(name: StoreName, root: Root = None, settings: DataSettings = None,
         to: Annotated[Path | None, typer.Option("--to", help="PNG of samples; default: "
                                                 "results/plots/data_NAME.png.")] = None,
         as_json: AsJson = False) -> None:
    """Tell what a store holds, and draw a panel of samples."""
    from benchmark.cli.data import info_command

    info_command(name, root, settings or [], to, as_json)
