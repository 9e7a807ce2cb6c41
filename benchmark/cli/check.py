"""`lhlbench check`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from benchmark.cli.options import AsJson
from benchmark.cli.output import PlainConsole, print_json
from benchmark.errors import LhlbenchError, RunError

if TYPE_CHECKING:
    from benchmark.conformance import Bench, Check


def check(method: Annotated[str, typer.Argument(help="a method's name, or its file")],
          as_json: AsJson = False) -> None:
    """Check that a method has the properties every method must have."""
    import torch

    from benchmark.conformance import Bench, checks_for
    from benchmark.data.sources.source import default_cache
    from benchmark.registry import find_method

    checks, console = checks_for(find_method(method)), PlainConsole()
    results, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)  # tiny networks: more threads would only wait for each other
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(method, Path(folder), default_cache())
        for each in checks:
            results.append(_result(each, bench))
            if not as_json:
                _print_result(results[-1], console)
            if each is checks[0] and not results[-1]["ok"]:
                break  # the others would only say so again
    torch.set_num_threads(threads)
    if as_json:
        print_json(results)
    if broken := sum(not each["ok"] for each in results):
        left = f"; {len(checks) - len(results)} were not tried" * (len(results) < len(checks))
        raise RunError(f"{broken} of {len(checks)} checks are broken{left}")
    if not as_json:
        print(f"all {len(results)} checks hold")


def _result(check: Check, bench: Bench) -> dict[str, Any]:
    """Run one check; any error of the method's is a finding."""
    from benchmark.conformance import Broken

    begin, problem = time.perf_counter(), ""
    try:
        check.run(bench)
    except (Broken, LhlbenchError) as error:
        problem = str(error)
    except Exception as error:  # a bug of the method's is what we are looking for
        problem = f"{type(error).__name__}: {error}"
    return {"check": check.name, "about": check.about, "ok": not problem, "problem": problem,
            "seconds": round(time.perf_counter() - begin, 1)}


def _print_result(result: dict[str, Any], console: Console) -> None:
    mark = Text("ok    ", "green") if result["ok"] else Text("BROKEN", "red")
    console.print(mark, f"{result['check']}: {result['about']}")
    if not result["ok"]:
        console.print(f"       {result['problem']}", style="red")
