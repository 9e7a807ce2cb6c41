"""The console command `lhlbench`: commands, exit codes and the one place errors are printed.

Commands import what they need when they run, so that `lhlbench --help` is instant.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from benchmark import __version__
from benchmark.cli.check import check
from benchmark.cli.compare import compare
from benchmark.cli.data import info, prepare, verify
from benchmark.cli.doctor import doctor
from benchmark.cli.evaluate import evaluate
from benchmark.cli.ls import ls
from benchmark.cli.new import new
from benchmark.cli.paper import paper
from benchmark.cli.plot import plot
from benchmark.cli.predict import predict
from benchmark.cli.report import report
from benchmark.cli.rm import rm
from benchmark.cli.run import run
from benchmark.cli.show import show
from benchmark.cli.speed import speed
from benchmark.cli.submit import submit
from benchmark.cli.sweep import sweep
from benchmark.cli.table import table
from benchmark.cli.tune import tune
from benchmark.cli.validate import validate
from benchmark.errors import (
    STOP_SIGNALS,
    Interrupted,
    LhlbenchError,
    SignalReceived,
    shortened,
    stopped_by,
    visible,
)
from benchmark.plug_ins import TASK_KINDS, task_kind_files

COMMANDS: tuple[Callable[..., None], ...] = (
    run, sweep, ls, show, rm, table, plot, compare, paper, report, validate, submit, evaluate,
    predict, tune, check, new, speed, doctor)
DATA_COMMANDS: tuple[Callable[..., None], ...] = (prepare, verify, info)

EXIT_CODES = ("Exit codes: 0 done, 1 the run failed, 2 the request was wrong, 75 stopped by a "
              "signal and ready to go on, 130 interrupted (Ctrl-C).")
_LONGEST_LINE = 2000

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="A benchmark for lifelong heterogeneous learning of dense prediction.",
                  epilog=EXIT_CODES,
                  context_settings={"help_option_names": ["-h", "--help"]})
for command in COMMANDS:
    app.command()(command)

data = typer.Typer(no_args_is_help=True, help="Prepare, check and look at data sets.")
for command in DATA_COMMANDS:
    data.command()(command)
app.add_typer(data, name="data")


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"lhlbench {__version__}")
        raise typer.Exit


@app.callback()
def _common(version: Annotated[bool, typer.Option("--version", callback=_print_version,
                                                  is_eager=True, help="Print the version."
                                                  )] = False,
            task_kinds: Annotated[list[Path] | None, typer.Option(
                "--task-kinds", metavar="FILE", envvar=TASK_KINDS,
                help="A file or folder that defines a task kind of your own; repeatable.")] = None,
            debug: Annotated[bool, typer.Option(
                "--debug", help="Show tracebacks of errors.")] = False) -> None:
    """Options before any command; --debug is declared here for the help and read in `invoke`."""
    if task_kinds:  # by the environment, so that the processes of a sweep know them too
        os.environ[TASK_KINDS] = os.pathsep.join(str(path.resolve()) for path in task_kinds)
        task_kind_files()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit, see `EXIT_CODES`."""
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _raise)
    code = invoke(arguments)
    for number in STOP_SIGNALS:  # all is done, nothing is left to interrupt
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _raise(number: int, frame: FrameType | None) -> None:
    raise SignalReceived(number)


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. `--debug` may stand anywhere."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        done: Any = typer.main.get_command(app).main(
            [word for word in words if word != "--debug"], prog_name="lhlbench",
            standalone_mode=False)
        sys.stdout.flush()  # a full disk is reported here, not while Python ends
        return done if isinstance(done, int) else 0
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - nobody reads any further output
        return 0
    except (KeyboardInterrupt, typer.Abort):
        return Interrupted.exit_code
    except SignalReceived as error:
        stopped = stopped_by(error.number, "the same command starts again")
        print(f"lhlbench: {stopped}", file=sys.stderr)
        return stopped.exit_code
    except Exception as error:
        message, code = _explained(error)
        if debug or message is None:
            raise
        lines = [shortened(line, _LONGEST_LINE) for line in visible(message).split("\n")]
        shown = "\n".join(lines)
        print(f"lhlbench: {shown}", file=sys.stderr)
        return code


def _explained(error: Exception) -> tuple[str | None, int]:
    """Message and exit code of an error meant for the user; no message for a bug of ours."""
    if isinstance(error, LhlbenchError):
        return str(error), error.exit_code
    if isinstance(error, OSError):  # a name that is too long, a disk that is full
        place = f"{error.filename}: " if error.filename is not None else ""
        return f"{place}{error.strerror or error}", 2
    # Typer's own usage errors, whichever click it is built on.
    if callable(format_message := getattr(error, "format_message", None)):
        return str(format_message()), 2
    return None, 1
