"""`lhlbench rm`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import RUNS, Runs
from benchmark.errors import RequestError, unknown


def rm(names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run ids, or beginnings "
                                                  "of one run's id each.")],
       runs: Runs = RUNS,
       yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove runs of your own, with everything in their folders, after asking."""
    from benchmark.report.runs.unfinished import is_running

    own = _own_runs(runs)
    folders = list(dict.fromkeys(_find(name, own, runs) for name in names))
    for folder in folders:
        if is_running(folder):
            raise RequestError(f"{folder} is being run by another process; stop it first")
    print(*folders, sep="\n")
    count = f"{len(folders)} run{'s' * (len(folders) > 1)}"
    if not yes and not typer.confirm(f"Remove {count}?"):
        print("nothing was removed")
        return
    for folder in folders:
        try:
            shutil.rmtree(folder)  # of links inside, the link alone
        except OSError as error:
            raise RequestError(f"{error.filename or folder} cannot be removed: "
                               f"{error.strerror}") from None
    print(f"{count} removed")


def _own_runs(runs: Path) -> dict[str, Path]:
    """The folders directly below `runs` that a run has made; links to elsewhere are none."""
    from benchmark.record import CONFIG_FILE, RECORD_FILE

    folders = sorted(runs.iterdir()) if runs.is_dir() else []
    return {folder.name: folder for folder in folders
            if not folder.is_symlink() and folder.is_dir()
            and any((folder / name).exists() for name in (CONFIG_FILE, RECORD_FILE))}


def _find(name: str, own: dict[str, Path], runs: Path) -> Path:
    """The folder of a run given by its id or the beginning of it. Raises `RequestError`."""
    from benchmark.config.shipped import shipped
    from benchmark.engine.run_folder import run_named
    from benchmark.record import RECORD_FILE

    if found := run_named(name, own):
        return own[found]
    published = (file.parent.name for file in shipped("results/published").rglob(RECORD_FILE))
    if any(name and run_id.startswith(name) for run_id in published):
        raise RequestError(f"'{name}' is a published run, which is not removed")
    raise unknown(f"run in {runs}", name, own)
