"""`lhlbench run`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import cast, get_args

import yaml
from rich.console import Console

from benchmark.cli.matrix import print_matrix
from benchmark.cli.output import print_json
from benchmark.cli.progress import LineCallback, ProgressCallback, ScreenCallback
from benchmark.data.loading.array_loader import Preload
from benchmark.data.sources.source import DataPaths, default_cache
from benchmark.engine.environment import make_fabric
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import Interrupted, RequestError, unknown
from benchmark.record import RECORD_FILE


def run_command(method: str, sequence: str, seed: int, settings: list[str],
                method_settings: list[str], recipe: str | None, tuned: bool, device: str,
                preload: str,
                data_root: Path | None, runs: Path, dry_run: bool, overwrite: bool,
                as_json: bool) -> None:
    """Resolve the request, carry it out, and print the matrix and where the record lies."""
    plan = make_plan(RunRequest(method, sequence, seed, tuple(settings), tuple(method_settings),
                                recipe, tuned))
    if preload not in get_args(Preload):
        raise unknown("--preload", preload, get_args(Preload))
    make_fabric(device, plan.config.recipe.precision)
    if data_root is not None and not data_root.is_dir():
        raise RequestError(f"--data-root {data_root} is not a folder")
    if dry_run:
        print(yaml.safe_dump(plan.config.canonical(), sort_keys=False), end="")
        return
    require_writable(runs)
    console = Console(stderr=True)
    callback: ScreenCallback = (ProgressCallback if console.is_terminal else LineCallback)(console)
    console.print(_title(plan), highlight=False)
    options = Options(runs=runs, data_paths=DataPaths(default_cache(), data_root), device=device,
                      preload=cast(Preload, preload), overwrite=overwrite,
                      command=shlex.join(["lhlbench", *sys.argv[1:]]))
    try:
        with callback:
            outcome = execute(plan, options, callback)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on from the last checkpoint"
                          ) from None
    if as_json:
        print_json(outcome.record.model_dump(mode="json", by_alias=True))
        return
    if outcome.already_done:
        console.print("This run is finished; --overwrite starts it again.")
    print_matrix(outcome.record, outcome.folder, Console())
    print(f"record: {outcome.folder / RECORD_FILE}")


def _title(plan: Plan) -> str:
    config = plan.config
    return (f"{config.method} on {config.sequence} ({', '.join(config.tasks)}), "
            f"seed {config.seed}, {config.recipe.precision}")


def require_writable(runs: Path) -> None:
    """Raises `RequestError` when nothing can be written below `runs`."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        probe = runs / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RequestError(f"--runs {runs} cannot be written: {error.strerror}; "
                           "give another folder") from None
