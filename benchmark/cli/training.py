"""Commands that run methods, and that make, tune and check them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import RUNS, AsJson, DataRoot, Runs


def run(method: Annotated[str, typer.Option("--method", help="A method's name, or its file.")],
        sequence: Annotated[str, typer.Option("--sequence", help="A sequence's name, or "
                                              "FILE.yaml[:s2] of your own.")],
        seed: Annotated[int, typer.Option(min=0)] = 0,
        settings: Annotated[list[str] | None, typer.Option(
            "--set", help="Override recipe.KEY=VALUE or dataset.KEY=VALUE.")] = None,
        method_settings: Annotated[list[str] | None, typer.Option(
            "--method-set", help="Override a setting of the method, KEY=VALUE.")] = None,
        device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
        precision: Annotated[str | None, typer.Option(help="fp32 or bf16.")] = None,
        recipe: Annotated[str | None, typer.Option(help="Another recipe than the "
                                                   "family's.")] = None,
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
    from benchmark.cli.running import run_command

    overrides = [*(settings or ()), *([f"recipe.precision={precision}"] if precision else ())]
    run_command(method, sequence, seed, overrides, method_settings or [], recipe, tuned, device,
                preload, data_root, runs, dry_run, overwrite, as_json)


def sweep(methods: Annotated[str, typer.Option("--methods", help="Names, files and globs with "
                                               "commas; '*' is every lifelong method.")],
          sequences: Annotated[str, typer.Option("--sequences", help="Names, globs, FILE.yaml:s2 "
                                                 "or FILE.yaml:*, with commas.")],
          seeds: Annotated[str, typer.Option(help="Such as 0-4 or 0,2,5-7.")] = "0",
          settings: Annotated[list[str] | None, typer.Option(
              "--set", help="recipe.KEY=VALUE or dataset.KEY=VALUE, for all runs.")] = None,
          method_settings: Annotated[list[str] | None, typer.Option(
              "--method-set", help="METHOD:KEY=VALUE, or KEY=VALUE for all methods.")] = None,
          recipe: Annotated[str | None, typer.Option(help="Another recipe than the "
                                                     "family's.")] = None,
          tuned: Annotated[bool, typer.Option("--tuned", help="Methods' settings as tuned for the "
                                              "family, not their defaults.")] = False,
          device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
          workers: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
          launcher: Annotated[str, typer.Option(help="local: processes of this machine.")
                              ] = "local",
          data_root: DataRoot = None, runs: Runs = RUNS,
          retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also run what failed "
                                                     "before.")] = False,
          dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs and where they "
                                                "stand, run nothing.")] = False,
          as_json: AsJson = False) -> None:
    """Run many methods on many sequences and seeds; what is finished is skipped."""
    from benchmark.cli.sweeping import sweep_command

    sweep_command(methods, sequences, seeds, settings or [], method_settings or [], recipe, tuned,
                  device, workers, launcher, data_root, runs, retry_failed, dry_run, as_json)


def tune(methods: Annotated[str, typer.Argument(help="names or files, with commas; finetune "
                                                "chooses the learning rate")],
         sequence: Annotated[str, typer.Option("--sequence")] = "rooms_tune_s1",
         seeds: Annotated[str, typer.Option(help="such as 0,1")] = "0",
         budget: Annotated[int, typer.Option(min=1, help="Trials of a method.")] = 6,
         settings: Annotated[list[str] | None, typer.Option(
             "--set", help="recipe.KEY=VALUE, for all trials; repeatable")] = None,
         to: Annotated[Path, typer.Option("--to", help="Where results and runs are kept.")] = Path(
             "results/tuning"),
         device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
         data_root: DataRoot = None, as_json: AsJson = False) -> None:
    """Choose a method's settings by the protocol that is the same for all."""
    from benchmark.cli.tuning import tune_command

    tune_command(methods, sequence, seeds, budget, settings or [], to, device, data_root, as_json)


def check(method: Annotated[str, typer.Argument(help="a method's name, or its file")],
          as_json: AsJson = False) -> None:
    """Try on a method what every method must keep."""
    from benchmark.cli.methods import check_command

    check_command(method, as_json)


def new(what: Annotated[str, typer.Argument(help="method or kind")],
        name: Annotated[str, typer.Argument(help="its name")],
        to: Annotated[Path, typer.Option("--to", help="Folder for the files.")] = Path()) -> None:
    """Write a working method or task kind of your own to start from, with its test."""
    from benchmark.cli.methods import new_command

    new_command(what, name, to)


def doctor(as_json: AsJson = False) -> None:
    """Tell what this machine has and what is missing."""
    from benchmark.cli.diagnosis import doctor_command

    doctor_command(as_json)
