"""The console command `lhlbench`: commands, exit codes and the one place errors are printed.

Commands import what they need when they run, so that `lhlbench --help` is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark import __version__
from benchmark.errors import LhlbenchError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="A benchmark for lifelong heterogeneous learning of dense prediction.",
                  context_settings={"help_option_names": ["-h", "--help"]})

data = typer.Typer(no_args_is_help=True, help="Prepare, check and look at data sets.")
app.add_typer(data, name="data")

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
RUNS = Path("results/runs")
_INTERRUPTED = 130


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lhlbench {__version__}")
        raise typer.Exit


@app.callback()
def _common(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                                  help="Print the version.")] = False,
            debug: Annotated[bool, typer.Option(
                "--debug", help="Show tracebacks of errors.")] = False) -> None:
    """--debug is listed here and obeyed in `invoke`."""


@app.command()
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
        holding: Annotated[str, typer.Option(help="Data on the device (resident), read as needed "
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
                holding, data_root, runs, dry_run, overwrite, as_json)


@app.command()
def ls(what: Annotated[str, typer.Argument(help="methods, sequences, datasets or runs")],
       runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """List what there is."""
    from benchmark.cli.listing import ls_command

    ls_command(what, runs, no_published, as_json)


@app.command()
def show(name: Annotated[str, typer.Argument(help="a method, a sequence, or a run")],
         runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Show a method's settings and sources, a sequence, or a run's matrix."""
    from benchmark.cli.showing import show_command

    show_command(name, runs, no_published, as_json)


@app.command()
def table(sequences: Sequences = "*",
          baseline: Annotated[str, typer.Option(help="finetune, separate or joint")] = "finetune",
          convention: Annotated[str, typer.Option(help="pixel, image or batch:N")] = "pixel",
          format: Annotated[str, typer.Option(help="rich, md, csv, latex, html or json")] = "rich",
          costs: Annotated[bool, typer.Option("--costs", help="Delta and what methods cost: "
                                              "memory, exemplars, parameters, passes, time.")
                           ] = False,
          runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Compare methods: metrics, Delta, forgetting, costs; missing runs are shown."""
    from benchmark.cli.results import table_command

    table_command(sequences, baseline, convention, "json" if as_json else format, costs,
                  runs, no_published)


@app.command()
def plot(what: Annotated[str, typer.Argument(help="forgetting")], sequences: Sequences = "*",
         to: Annotated[Path, typer.Option("--to", help="Folder for the figures.")] = Path(
             "results/plots"),
         runs: Runs = RUNS, no_published: NoPublished = False) -> None:
    """Draw every metric over the phases, method by method."""
    from benchmark.cli.results import plot_command

    plot_command(what, sequences, to, runs, no_published)


@app.command()
def validate(records: Annotated[list[Path], typer.Argument(help="record.json files or folders")],
             as_json: AsJson = False) -> None:
    """Check records: schema, and that the matrix follows from the stored statistics."""
    from benchmark.cli.results import validate_command

    validate_command(records, as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Tell what this machine has and what is missing."""
    from benchmark.cli.diagnosis import doctor_command

    doctor_command(as_json)


@app.command()
def check(method: Annotated[str, typer.Argument(help="a method's name, or its file")],
          as_json: AsJson = False) -> None:
    """Try on a method what every method must keep."""
    from benchmark.cli.methods import check_command

    check_command(method, as_json)


@app.command()
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


@app.command()
def new(what: Annotated[str, typer.Argument(help="method")],
        name: Annotated[str, typer.Argument(help="its name")],
        to: Annotated[Path, typer.Option("--to", help="Folder for the files.")] = Path()) -> None:
    """Write a working method of your own to start from, with its test."""
    from benchmark.cli.methods import new_command

    new_command(what, name, to)


@data.command()
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


StoreName = Annotated[str, typer.Argument(help="a data set, a sequence family, FILE.yaml, or the "
                                          "folder of a store")]


@data.command()
def verify(name: StoreName, root: Root = None, settings: DataSettings = None,
           as_json: AsJson = False) -> None:
    """Hash a store again, check every value, and print class and depth statistics."""
    from benchmark.cli.data import verify_command

    verify_command(name, root, settings or [], as_json)


@data.command()
def info(name: StoreName, root: Root = None, settings: DataSettings = None,
         to: Annotated[Path | None, typer.Option("--to", help="PNG of samples; default: "
                                                 "results/plots/data_NAME.png.")] = None,
         as_json: AsJson = False) -> None:
    """Tell what a store holds, and draw a panel of samples."""
    from benchmark.cli.data import info_command

    info_command(name, root, settings or [], to, as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 the run failed, 2 the request was wrong."""
    sys.exit(invoke(arguments))


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. `--debug` may stand anywhere."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    command = typer.main.get_command(app)
    try:
        done: Any = command.main([word for word in words if word != "--debug"],
                                 prog_name="lhlbench", standalone_mode=False)
        return done if isinstance(done, int) else 0
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the reader has left; say no more
        return 0
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except Exception as error:
        message, code = _explained(error)
        if debug or message is None:
            raise
        print(f"lhlbench: {message}", file=sys.stderr)
        return code


def _explained(error: Exception) -> tuple[str | None, int]:
    """Message and exit code of an error meant for the user; no message for a bug of ours."""
    if isinstance(error, LhlbenchError):
        return str(error), error.exit_code
    # Typer's own usage errors, whichever click it is built on.
    if callable(tell := getattr(error, "format_message", None)):
        return str(tell()), 2
    return None, 1
