"""`lhlbench run`."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from benchmark.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    Device,
    RecipeName,
    Runs,
    Settings,
    require_folder,
    require_writable,
)
from benchmark.cli.output import PlainConsole, print_json
from benchmark.engine.request import RunRequest
from benchmark.errors import SignalReceived, stopped_by, unknown

if TYPE_CHECKING:
    from benchmark.engine.plan import RunConfig


def run(method: Annotated[str, typer.Option("--method", help="A method's name, or its file.")],
        sequence: Annotated[str, typer.Option("--sequence", help="A sequence's name, or "
                                              "FILE.yaml[:s2] of your own.")],
        seed: Annotated[int, typer.Option(min=0)] = 0,
        settings: Settings = None,
        method_settings: Annotated[list[str] | None, typer.Option(
            "--method-set", help="Override a setting of the method, KEY=VALUE; repeatable.")
            ] = None,
        device: Device = "auto",
        precision: Annotated[str | None, typer.Option(help="fp32 or bf16.")] = None,
        recipe: RecipeName = None,
        preload: Annotated[str, typer.Option(help="Data on the device (resident), read as needed "
                                             "(streamed), or auto; the numbers are the same.")
                           ] = "auto",
        tuned: Annotated[bool, typer.Option("--tuned", help="The method's settings as tuned for "
                                            "the family, not its defaults.")] = False,
        data_root: DataRoot = None, runs: Runs = RUNS,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Resolve and print the "
                                              "configuration, do nothing.")] = False,
        overwrite: Annotated[bool, typer.Option("--overwrite", help="Start again from nothing, "
                                                "even when finished.")] = False,
        as_json: AsJson = False) -> None:
    """Train one method on one sequence and evaluate it after every phase."""
    import yaml

    from benchmark.cli.matrix import print_matrix
    from benchmark.cli.progress import RunBars, RunDisplay, RunLines
    from benchmark.data.loading.array_loader import Preload
    from benchmark.data.sources.source import DataPaths, default_cache
    from benchmark.engine.environment import make_fabric
    from benchmark.engine.execute import execute
    from benchmark.engine.options import Options, Stopped
    from benchmark.engine.plan import make_plan
    from benchmark.engine.stopping import StopSignals
    from benchmark.record import RECORD_FILE

    settings = [*(settings or ()), *([f"recipe.precision={precision}"] if precision else ())]
    plan = make_plan(RunRequest(method, sequence, seed, tuple(settings),
                                tuple(method_settings or ()), recipe, tuned))
    if preload not in get_args(Preload):
        raise unknown("--preload", preload, get_args(Preload))
    make_fabric(device, plan.config.recipe.precision)
    require_folder("--data-root", data_root)
    if dry_run:
        print(yaml.safe_dump(plan.config.canonical(), sort_keys=False), end="")
        return
    require_writable(runs)
    console = PlainConsole(stderr=True)
    display: RunDisplay = (RunBars if console.is_terminal else RunLines)(console)
    console.print(_title(plan.config))
    signals = StopSignals()
    options = Options(runs=runs, data_paths=DataPaths(default_cache(), data_root), device=device,
                      preload=cast(Preload, preload), overwrite=overwrite,
                      command=shlex.join(["lhlbench", *sys.argv[1:]]), stop=signals)
    try:
        with signals, display:
            outcome = execute(plan, options, display)
    except Stopped as error:
        raise stopped_by(signals.received or signal.SIGINT,
                         f"{error}; the same command goes on from there") from None
    except SignalReceived as error:
        raise stopped_by(error.number,
                         "the same command goes on from the last checkpoint") from None
    if as_json:
        print_json(outcome.record.model_dump(mode="json", by_alias=True))
        return
    if outcome.already_done:
        console.print("This run is finished; --overwrite starts it again.")
    print_matrix(outcome.record, outcome.folder, PlainConsole())
    print(f"record: {outcome.folder / RECORD_FILE}")
    words = ["--sequences", plan.config.sequence, *(["--runs", str(runs)] if runs != RUNS else [])]
    console.print(f"beside other runs: lhlbench table {shlex.join(words)}", soft_wrap=True)


def _title(config: RunConfig) -> str:
    return (f"{config.method} on {config.sequence} ({', '.join(config.tasks)}), "
            f"seed {config.seed}, {config.recipe.precision}")
