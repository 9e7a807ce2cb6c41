"""`lhlbench tune`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from rich.console import Console

from benchmark.cli.output import print_json
from benchmark.config.family import find_sequence
from benchmark.data.sources.source import DataPaths, default_cache
from benchmark.engine.options import Options
from benchmark.errors import Interrupted, RequestError
from benchmark.files import write_json
from benchmark.tuning import Trial, tune


def tune_command(methods: str, sequence: str, seeds: str, budget: int, settings: list[str],
                 to: Path, device: str, data_root: Path | None, as_json: bool) -> None:
    """Tune one method after the other; write grid, scores and choice of each."""
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise RequestError(f"--seeds {seeds}: write numbers, such as 0,1") from None
    command = shlex.join(["lhlbench", *sys.argv[1:]])
    options = Options(runs=to / "runs", data_paths=DataPaths(default_cache(), data_root),
                      device=device, command=command)
    console, told = Console(stderr=True, highlight=False), []

    def show(trial: Trial) -> None:
        settings = ", ".join(f"{key}={value}" for key, value in trial.settings.items())
        score = "undefined" if trial.score is None else f"{trial.score:9.2f}"
        console.print(f"  {score}  {settings}", markup=False)

    for method in methods.split(","):
        console.print(f"{method} on {sequence}, seeds {seeds}")
        try:
            found = tune(method, sequence, numbers, options, budget, show, settings)
        except KeyboardInterrupt:
            raise Interrupted("interrupted; the same command goes on from there") from None
        path = to / find_sequence(sequence).name / f"{found.method}.json"
        result = {**found.as_dict(), "set": settings, "command": command}
        write_json(path, result)
        told.append(result)
        console.print(f"  chosen: {found.chosen}; written to {path}", markup=False)
    if as_json:
        print_json(told)
