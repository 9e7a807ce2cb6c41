"""The shape of the house, measured: `python -m tests.architecture` prints it.

Rooms, their modules and lines; public names defined twice; imports against the layers.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*ROOT.glob("benchmark/**/*.py"), *ROOT.glob("methods/*.py")])

LAYERS = [  # lowest first; a module imports its own layer and those below
    {"errors", "files", "memory", "seeds", "plug_ins", "config", ""},
    {"tasks"},
    {"record"},
    {"scores", "statistics"},
    {"data"},
    {"model"},
    {"method"},
    {"registry"},
    {"components"},
    {"engine"},
    {"conformance", "tuning", "speed"},
    {"report"},
    {"sweep"},
    {"interface"},
    {"cli", "__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
FOR_METHODS = {"method", "components", "tasks", "model", "data", "seeds"}
"""What a method may import."""
DOORS = {("benchmark", "benchmark.interface")}
"""Imports that may point up: the package offers its Python interface, imported on demand."""

KINDS = ("segmentation", "regression", "direction", "binary")
KINDS_MAY_BE_NAMED = (
    "benchmark/tasks/",
    "benchmark/data/sources/",  # tasks of data sets, which are of some kind
    "methods/had_released.py",  # released code that has a loss for each of four tasks
)

TWICE = {
    "Config": "the options of a data set, one for each",
    "delta": "a score, and the plot that a user calls so",
    "forgetting": "a score, and the plot that a user calls so",
    "task_names": "of each data set: part of the interface of a source",
    "open_store": "of each data set: part of the interface of a source",
    "make": "of each launcher: part of its interface",
}
"""Names that are defined more than once, and why. Functions of cli/ are named by their command."""


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(name: str) -> str:
    """`report` of `benchmark.report.plots.delta`; `methods` of a method."""
    parts = name.split(".")
    return "methods" if parts[0] == "methods" else parts[1] if len(parts) > 1 else ""


def imports(file: Path) -> Iterator[str]:
    """Dotted names of everything a file imports from this project."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = ([alias.name for alias in node.names] if isinstance(node, ast.Import)
                 else [node.module] if isinstance(node, ast.ImportFrom) and node.module else [])
        yield from (name for name in names if name.split(".")[0] in ("benchmark", "methods"))


def upward_imports() -> list[str]:
    """Imports that point up, or from the harness to a method."""
    found = []
    for file in FILES:
        module = module_name(file)
        for name in imports(file):
            source, target = room_of(module), room_of(name)
            if source == "methods":
                wrong = target not in FOR_METHODS | {"methods"}
            else:
                wrong = target == "methods" or RANK[target] > RANK[source]
            if wrong and (module, name) not in DOORS:
                found.append(f"{module} imports {name}")
    return found


def defined_twice() -> dict[str, list[str]]:
    """Public classes and functions that two modules or more define, with those modules.

    Commands (cli/) are left out: they bear the names of what they call.
    """
    where: dict[str, list[str]] = defaultdict(list)
    for file in FILES:
        if room_of(module_name(file)) == "cli":
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if (isinstance(node, ast.ClassDef | ast.FunctionDef)
                    and not node.name.startswith("_")):
                where[node.name].append(module_name(file))
    return {name: modules for name, modules in sorted(where.items()) if len(modules) > 1}


def kinds_named_outside() -> list[str]:
    """Strings that name a task kind where nothing should ask which kind a task is of."""
    found = []
    for file in FILES:
        place = str(file.relative_to(ROOT))
        if place.startswith(KINDS_MAY_BE_NAMED):
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        found += [f"{place}, line {node.lineno}: {node.value}" for node in ast.walk(tree)
                  if isinstance(node, ast.Constant) and node.value in KINDS
                  and id(node) not in docstrings]
    return found


def rooms() -> dict[str, list[int]]:
    """Room -> lines of each of its modules."""
    found: dict[str, list[int]] = defaultdict(list)
    for file in FILES:
        found[room_of(module_name(file)) or "benchmark"].append(
            len(file.read_text(encoding="utf-8").splitlines()))
    return dict(sorted(found.items()))


def main() -> None:
    """Print the measurements."""
    print(f"{'room':12} modules  lines  median  largest")
    everything = []
    for room, lines in rooms().items():
        everything += lines
        print(f"{room:12} {len(lines):7} {sum(lines):6} {median(lines):7.0f} {max(lines):8}")
    print(f"{'all':12} {len(everything):7} {sum(everything):6} {median(everything):7.0f} "
          f"{max(everything):8}")
    print(f"\npublic names defined twice: {len(defined_twice())}")
    for name, modules in defined_twice().items():
        print(f"  {name}: {TWICE.get(name, 'no reason is known')} ({', '.join(modules)})")
    print(f"\nfiles that name a task kind outside: {len(kinds_named_outside())}")
    for line in kinds_named_outside():
        print(f"  {line}")
    print(f"\nimports that point up: {len(upward_imports())}")
    for line in upward_imports():
        print(f"  {line}")


if __name__ == "__main__":
    main()
