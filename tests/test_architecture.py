"""The shape of the house: imports point downwards, files stay short, start-up stays quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*ROOT.glob("benchmark/**/*.py"), *ROOT.glob("methods/*.py")])

MACHINERY = {  # what methods are made of
    "method", "snapshot", "teacher", "distillation", "salience", "importance", "buffer", "replay",
    "projection", "isolation", "merging", "running_average", "hybrid"}
TRAINERS = {"tutor", "joint_distillation"}  # machinery that trains networks of its own
LAYERS = [  # lowest first; a module imports its own layer and those below
    {"errors", "files", "memory", "seeds", ""},
    {"tasks", "metrics", "config", "pictures"},
    {"record"},
    {"data", "model"},
    MACHINERY | {"registry"},
    TRAINERS | {"train", "evaluate", "plan", "options", "environment", "lifelong", "previews",
                "run"},
    {"scores", "statistics", "report", "conformance", "tuning", "sweep"},
    {"cli", "__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
FOR_METHODS = MACHINERY | TRAINERS | {"tasks", "data", "model", "seeds"}


def imports(file):
    """Dotted names of everything a file imports from this project."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = ([alias.name for alias in node.names] if isinstance(node, ast.Import)
                 else [node.module] if isinstance(node, ast.ImportFrom) and node.module else [])
        yield from (name for name in names if name.split(".")[0] in ("benchmark", "methods"))


def room(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_downwards(file):
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for name in imports(file):
        if module.startswith("methods"):
            assert room(name) in FOR_METHODS, f"{module} imports {name}"
        else:
            assert not name.startswith("methods"), f"{module} imports the method {name}"
            assert RANK[room(name)] <= RANK[room(module)], f"{module} imports {name} above it"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_have_one_reason_to_change(file):
    assert len(file.read_text().splitlines()) <= 300


@pytest.mark.parametrize("words", [["--help"], ["ls", "sequences"], ["ls", "datasets"],
                                   ["ls", "runs"], ["run", "--help"]])
def test_listing_imports_no_torch(words, tmp_path):
    code = ("import sys; from benchmark.cli.app import invoke; code = invoke(sys.argv[1:]); "
            "heavy = {'torch', 'timm', 'matplotlib', 'pandas'} & set(sys.modules); "
            "print(heavy, file=sys.stderr); sys.exit(code or bool(heavy))")
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_public_name_is_explained():
    missing = []
    for file in FILES:
        tree = ast.parse(file.read_text())
        if not ast.get_docstring(tree):
            missing.append(str(file))
        for node in tree.body:
            if (isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
                    and not ast.get_docstring(node)
                    and not any("command" in ast.unparse(d) for d in node.decorator_list)):
                missing.append(f"{file}: {node.name}")
    assert not missing
