"""`lhlbench check` and `lhlbench new`: for those who write a method or a task kind."""

from __future__ import annotations

import keyword
import re
import tempfile
import time
from pathlib import Path
from string import Template

from rich.console import Console

from benchmark.cli.output import print_json
from benchmark.data.sources.source import default_cache
from benchmark.errors import LhlbenchError, RequestError, RunError, unknown
from benchmark.files import write_text

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_NEW = {"method": {"{name}.py": "method.py.template", "test_{name}.py": "test_method.py.template"},
        "kind": {"{name}/__init__.py": "kind_init.py.template",
                 "{name}/metrics.py": "kind_metrics.py.template",
                 "{name}/losses.py": "kind_losses.py.template",
                 "test_{name}.py": "test_kind.py.template"}}
"""What can be written: each file, the test last, and its template."""


def check_command(method: str, as_json: bool) -> None:
    """Run every check that applies and say what each found."""
    import torch

    from benchmark.conformance import Bench, Broken, checks_for
    from benchmark.registry import find_method

    checks, console = checks_for(find_method(method)), Console(highlight=False)
    told, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)  # tiny networks: more threads would only wait for each other
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(method, Path(folder), default_cache())
        for check in checks:
            begin, problem = time.perf_counter(), ""
            try:
                check.run(bench)
            except (Broken, LhlbenchError) as error:
                problem = str(error)
            except Exception as error:  # a bug of the method's is what we are looking for
                problem = f"{type(error).__name__}: {error}"
            told.append({"check": check.name, "about": check.about, "ok": not problem,
                         "problem": problem, "seconds": round(time.perf_counter() - begin, 1)})
            if not as_json:
                mark = "[green]ok[/]    " if not problem else "[red]BROKEN[/]"
                console.print(f"{mark} {check.name}: {check.about}")
                if problem:
                    console.print(f"       {problem}", markup=False, style="red")
    torch.set_num_threads(threads)
    if as_json:
        print_json(told)
    if broken := sum(not each["ok"] for each in told):
        raise RunError(f"{broken} of {len(told)} checks are broken")
    if not as_json:
        print(f"all {len(told)} checks hold")


def new_command(what: str, name: str, to: Path) -> None:
    """Write a working method or task kind, and its test."""
    if what not in _NEW:
        raise unknown("kind of file", what, _NEW)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise RequestError(f"'{name}' cannot name a {what}: small letters, digits and _")
    title = name.replace("_", " ")
    words = {"name": name, "title": title, "class_name": title.title().replace(" ", "")}
    files = {to / path.format(name=name): template for path, template in _NEW[what].items()}
    for path in files:
        if path.exists():
            raise RequestError(f"{path} is there already; choose another name or --to")
    for path, template in files.items():
        text = (_TEMPLATES / template).read_text(encoding="utf-8")
        write_text(path, Template(text).substitute(words))
    made, *_, test = files
    if what == "kind":
        print(f"{made.parent}: a working task kind to change\n{test}: its test\n\n"
              f"pytest {test}\n"
              f"in the family's file: task_kinds: [{made.parent}] and kind: {name} for a task")
    else:
        print(f"{made}: a working method to change\n{test}: its test\n\n"
              f"lhlbench check {made}\n"
              f"lhlbench run --method {made} --sequence rooms_s1\n"
              f"lhlbench table --sequences rooms_s1")
