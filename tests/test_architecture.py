"""The shape of the house: imports point downwards, names mean one thing, start-up stays quick."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from benchmark.tasks.registry import kind_names
from tests.architecture import (
    FILES,
    KINDS,
    TWICE,
    defined_twice,
    kinds_named_outside,
    upward_imports,
)


def test_imports_point_downwards():
    assert upward_imports() == []


def test_public_names_mean_one_thing():
    assert set(defined_twice()) == set(TWICE)


def test_nothing_outside_the_kinds_asks_which_kind_a_task_is_of():
    assert set(kind_names()) >= set(KINDS)
    assert kinds_named_outside() == []


def test_files_have_one_reason_to_change():
    long = [str(file) for file in FILES if len(file.read_text().splitlines()) > 320]
    assert long == []


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


def test_a_run_imports_nothing_it_has_no_use_for(tmp_path):
    code = ("import sys; from benchmark.cli.app import invoke; code = invoke(sys.argv[1:]); "
            "import benchmark.cli.progress, benchmark.engine.execute; "
            "heavy = {'timm', 'torchmetrics', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules); "
            "print(heavy, file=sys.stderr); sys.exit(code or bool(heavy))")
    words = ["run", "--method", "had", "--sequence", "rooms_s1", "--dry-run"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_explained():
    missing = []
    for file in FILES:
        tree = ast.parse(file.read_text())
        if not ast.get_docstring(tree):
            missing.append(str(file))
        missing += [f"{file}: {node.name}" for node in tree.body
                    if isinstance(node, ast.FunctionDef | ast.ClassDef)
                    and not node.name.startswith("_") and not ast.get_docstring(node)]
    assert not missing
