"""`lhlbench new`."""

from __future__ import annotations

import keyword
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from benchmark.errors import RequestError, unknown
from benchmark.files import write_text, writing

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_FILES = {
    "method": {"{name}.py": "method.py.template", "test_{name}.py": "test_method.py.template"},
    "kind": {"{name}/__init__.py": "kind_init.py.template",
             "{name}/metrics.py": "kind_metrics.py.template",
             "{name}/losses.py": "kind_losses.py.template",
             "test_{name}.py": "test_kind.py.template"}}
"""What can be written: its files, the test last, and their templates."""


def new(what: Annotated[str, typer.Argument(help="method or kind")],
        name: Annotated[str, typer.Argument(help="its name")],
        to: Annotated[Path, typer.Option("--to", help="Folder for the files.")] = Path()) -> None:
    """Write a working method or task kind of your own to start from, with its test."""
    if what not in _FILES:
        raise unknown("kind of file", what, _FILES)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise RequestError(f"'{name}' cannot name a {what}: small letters, digits and _")
    title = name.replace("_", " ")
    values = {"name": name, "title": title, "class_name": title.title().replace(" ", "")}
    templates = {to / file.format(name=name): template for file, template in _FILES[what].items()}
    with writing(to):
        _write({path: Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(
            values) for path, template in templates.items()})
    first, *_, test = templates
    if what == "kind":
        print(f"{first.parent}: a working task kind to change\n{test}: its test\n\n"
              f"pytest {test}\n"
              f"in the family's file: task_kinds: [{first.parent}] and kind: {name} for a task")
    else:
        print(f"{first}: a working method to change\n{test}: its test\n\n"
              f"lhlbench check {first}\n"
              f"lhlbench run --method {first} --sequence rooms_s1\n"
              f"lhlbench table --sequences rooms_s1")


def _write(texts: Mapping[Path, str]) -> None:
    """Write all files or none. Raises `RequestError` when one is there, `OSError` as writing does.
    """
    for path in texts:
        if path.exists():
            raise RequestError(f"{path} is there already; choose another name or --to")
    new_folders = [folder for folder in dict.fromkeys(path.parent for path in texts)
                   if not folder.exists()]
    try:
        for path, text in texts.items():
            write_text(path, text)
    except BaseException:
        for path in texts:
            path.unlink(missing_ok=True)
        for folder in new_folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise
