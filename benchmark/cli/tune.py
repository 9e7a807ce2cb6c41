"""`lhlbench tune`."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.options import AsJson, DataRoot, Device
from benchmark.cli.output import PlainConsole, print_json
from benchmark.config.family import find_sequence
from benchmark.errors import Interrupted, RequestError, shortened
from benchmark.files import write_json

if TYPE_CHECKING:
    from benchmark.tuning import Trial


def tune(methods: Annotated[str, typer.Argument(help="names or files, with commas; finetune "
                                                "chooses the learning rate")],
         sequence: Annotated[str, typer.Option("--sequence", help="The sequence to tune on.")
                             ] = "rooms_tune_s1",
         seeds: Annotated[str, typer.Option(help="such as 0,1")] = "0",
         budget: Annotated[int, typer.Option(min=1, help="Trials of a method.")] = 6,
         settings: Annotated[list[str] | None, typer.Option(
             "--set", help="recipe.KEY=VALUE, for all trials; repeatable")] = None,
         to: Annotated[Path, typer.Option("--to", help="Where results and runs are kept.")] = Path(
             "results/tuning"),
         device: Device = "auto", data_root: DataRoot = None, as_json: AsJson = False) -> None:
    """Choose a method's settings by the protocol that is the same for all."""
    from benchmark.data.sources.source import DataPaths, default_cache
    from benchmark.engine.options import Options
    from benchmark.tuning import tune as tune_method

    words = [word.strip() for word in seeds.split(",")]
    if not all(re.fullmatch("[0-9]{1,9}", word) for word in words):
        raise RequestError(f"--seeds {shortened(seeds)}: write numbers from 0 on, such as 0,1")
    numbers = list(dict.fromkeys(map(int, words)))
    command = shlex.join(["lhlbench", *sys.argv[1:]])
    options = Options(runs=to / "runs", data_paths=DataPaths(default_cache(), data_root),
                      device=device, command=command)
    console, results = PlainConsole(stderr=True), []

    def print_trial(trial: Trial) -> None:
        text = ", ".join(f"{key}={value}" for key, value in trial.settings.items())
        score = "undefined" if trial.score is None else f"{trial.score:9.2f}"
        console.print(f"  {score}  {text}")

    for method in methods.split(","):
        console.print(f"{method} on {sequence}, seeds {seeds}")
        try:
            tuning = tune_method(method, sequence, numbers, options, budget, print_trial,
                                 settings or ())
        except KeyboardInterrupt:
            raise Interrupted("interrupted; the same command goes on from there") from None
        path = to / find_sequence(sequence).name / f"{tuning.method}.json"
        results.append({**tuning.as_dict(), "set": settings or [], "command": command})
        write_json(path, results[-1])
        console.print(f"  chosen: {tuning.chosen}; written to {path}")
    if as_json:
        print_json(results)
