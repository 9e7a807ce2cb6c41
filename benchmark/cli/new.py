"""`lhlbench new`."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from benchmark.errors import RequestError, unknown
from benchmark.files import write_text

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


def new(what: Annotated[str, typer.Argument(help="method")],
        name: Annotated[str, typer.Argument(help="its name")],
        to: Annotated[Path, typer.Option("--to", help="Folder for the files.")] = Path()) -> None:
    """Write a working method of your own to start from, with its test."""
    if what != "method":
        raise unknown("kind of file", what, ["method"])
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise RequestError(f"'{name}' cannot name a method: small letters, digits and _")
    title = name.replace("_", " ")
    values = {"name": name, "title": title, "class_name": title.title().replace(" ", "")}
    method, test = to / f"{name}.py", to / f"test_{name}.py"
    templates = {method: "method.py.template", test: "test_method.py.template"}
    for path in templates:
        if path.exists():
            raise RequestError(f"{path} is there already; choose another name or --to")
    for path, template in templates.items():
        text = (_TEMPLATES / template).read_text(encoding="utf-8")
        write_text(path, Template(text).substitute(values))
    print(f"{method}: a working method to change\n{test}: its test\n\n"
          f"lhlbench check {method}\n"
          f"lhlbench run --method {method} --sequence rooms_s1\n"
          f"lhlbench table --sequences rooms_s1")
