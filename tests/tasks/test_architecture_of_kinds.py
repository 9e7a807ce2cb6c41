"""Nothing outside the kinds asks which kind a task is of."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.tasks.registry import kind_names

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"segmentation", "regression", "direction", "binary"}
ELSEWHERE = (
    "benchmark/tasks/",
    "benchmark/data/sources/",  # tasks of data sets, which are of some kind
    "benchmark/report/papers/",  # names of published tables
    "methods/had_released.py",  # released code that has a loss for each of four tasks
)
FILES = sorted(file for folder in ("benchmark", "methods") for file in (ROOT / folder).rglob("*.py")
               if not str(file.relative_to(ROOT)).startswith(ELSEWHERE))


def constants(file: Path) -> Iterator[ast.Constant]:
    """String constants of a file that are no docstrings and no statements by themselves."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return (node for node in ast.walk(tree) if isinstance(node, ast.Constant)
            and isinstance(node.value, str) and id(node) not in alone)


def test_the_names_are_those_of_the_folders() -> None:
    assert set(kind_names()) >= NAMES


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_names_a_kind(file: Path) -> None:
    named = [f"line {node.lineno}: {node.value}" for node in constants(file)
             if node.value in NAMES]
    assert not named
