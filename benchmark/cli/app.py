"""The console command `lhlbench`: commands, exit codes and the one place errors are printed.

Commands import what they need when they run, so that `lhlbench --help` is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark import __version__
from benchmark.cli import preparing, reading, training
from benchmark.errors import LhlbenchError
from benchmark.plug_ins import TASK_KINDS, task_kind_files

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="A benchmark for lifelong heterogeneous learning of dense prediction.",
                  context_settings={"help_option_names": ["-h", "--help"]})

data = typer.Typer(no_args_is_help=True, help="Prepare, check and look at data sets.")
app.add_typer(data, name="data")

_INTERRUPTED = 130


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lhlbench {__version__}")
        raise typer.Exit


@app.callback()
def _common(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                                  help="Print the version.")] = False,
            task_kinds: Annotated[list[Path] | None, typer.Option(
                "--task-kinds", metavar="FILE", envvar=TASK_KINDS,
                help="A file or folder that defines a task kind of your own; repeatable.")] = None,
            debug: Annotated[bool, typer.Option(
                "--debug", help="Show tracebacks of errors.")] = False) -> None:
    """--debug is listed here and obeyed in `invoke`."""
    if task_kinds:  # by the environment, so that the processes of a sweep know them too
        os.environ[TASK_KINDS] = os.pathsep.join(str(path.resolve()) for path in task_kinds)
        task_kind_files()


COMMANDS: tuple[Callable[..., None], ...] = (
    training.run, training.sweep,
    reading.ls, reading.show, reading.table, reading.plot, reading.compare,
    reading.paper, reading.report, reading.validate, reading.submit,
    training.tune, training.check, training.new, training.doctor)
DATA_COMMANDS: tuple[Callable[..., None], ...] = (
    preparing.prepare, preparing.verify, preparing.info)
for command in COMMANDS:
    app.command()(command)
for command in DATA_COMMANDS:
    data.command()(command)


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
