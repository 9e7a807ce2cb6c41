"""`lhlbench ls`; only the list of methods imports torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from benchmark.cli.options import RUNS, AsJson, NoPublished, Runs
from benchmark.cli.output import PlainConsole, print_json, print_line, print_notes
from benchmark.config.family import shipped_sequences
from benchmark.errors import RequestError, unknown

if TYPE_CHECKING:
    from benchmark.method import Method

Rows = list[dict[str, Any]]

_ONLY_JSON = {"methods": ("kind", "summary"),
              "sequences": ("family", "split", "recipe", "about")}
"""Columns left out on a terminal, which is too narrow for them."""


def ls(what: Annotated[str, typer.Argument(
           help="methods, sequences, datasets, runs or backbones")],
       pattern: Annotated[str | None, typer.Argument(
           metavar="[FILTER]", help="Of backbones: a part of the name or a glob, such as "
           "'vit_*dinov2*'; without it the common ones.")] = None,
       runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """List what there is."""
    lists: dict[str, Callable[[], Rows]] = {
        "methods": _methods, "sequences": _sequences, "datasets": _datasets,
        "runs": lambda: _runs(runs, no_published), "backbones": lambda: _backbones(pattern)}
    if what not in lists:
        raise unknown("list", what, lists)
    if pattern is not None and what != "backbones":
        raise RequestError(f"only backbones are listed by FILTER; leave out '{pattern}'")
    rows = lists[what]()
    if as_json:
        print_json(rows)
        return
    if not rows:
        where = {"runs": f" in {runs}", "backbones": f" like '{pattern}'"}
        print_line(f"no {what}{where.get(what, '')}")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = [column for column in rows[0] if column not in _ONLY_JSON.get(what, ())]
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    separator = " > " if what == "sequences" else ", "
    for row in rows:
        table.add_row(*(_text(row[column], separator) for column in columns))
    PlainConsole().print(table)
    if what == "sequences":
        for family in sorted({(row["family"], row["about"]) for row in rows}):
            print_line(f"{family[0]}: {family[1]}")


def _text(value: Any, separator: str) -> str:
    if isinstance(value, list):
        return separator.join(map(str, value))
    return "" if value is None else str(value)


def _methods() -> Rows:
    from benchmark.registry import find_method, method_names

    found = [find_method(name) for name in method_names()]
    return [{"method": each.name, "family": each.family, "kind": each.kind,
             "stores": each.stores, "needs": list(each.needs), "defaults": _defaults(each),
             "summary": each.summary, "reference": each.reference} for each in found]


def _defaults(method: type[Method]) -> list[str]:
    """The sources of the defaults of a method's settings."""
    extras = [field.json_schema_extra for field in method.Config.model_fields.values()]
    return sorted({str(extra["source"]) for extra in extras if isinstance(extra, dict)})


def _sequences() -> Rows:
    return [{"sequence": each.name, "family": each.family.family, "tasks": list(each.tasks),
             "split": each.family.split, "recipe": each.family.recipe, "about": each.family.about}
            for each in shipped_sequences() if each.listed]


def _datasets() -> Rows:
    from benchmark.data.sources.source import find_source, source_names

    return [{"dataset": name, "layouts": [layout.name for layout in layouts],
             "about": module.SUMMARY}
            for name in source_names() for module in [find_source(name)]
            for layouts in [getattr(module, "LAYOUTS", ())]]


def _runs(runs: Path, no_published: bool) -> Rows:
    from benchmark.cli.records import all_records
    from benchmark.report.runs.unfinished import unfinished_runs

    collection = all_records(runs, no_published)
    print_notes(collection.warnings)
    rows: Rows = [{"run": found.record.run_id, "status": found.record.status,
                   "method": found.record.method.name, "sequence": found.record.sequence,
                   "seed": found.record.seed, "reason": found.record.reason,
                   "folder": str(found.folder)} for found in collection.runs]
    return rows + [{"run": each.folder.name,
                    "status": "running" if each.running else "interrupted",
                    "method": each.method, "sequence": each.sequence, "seed": each.seed,
                    "reason": each.reason, "folder": str(each.folder)}
                   for each in unfinished_runs(runs)]


def _backbones(pattern: str | None) -> Rows:
    from benchmark.data.formats.filling import image_progress
    from benchmark.model.listing import backbone_names, describe_backbone

    names = backbone_names(pattern)
    rows = []
    with image_progress("making backbones", len(names), "backbones") as progress:
        for name in names:
            rows.append(describe_backbone(name))
            progress.advance(1)
    found = [{"backbone": each.name, "strides": list(each.strides), "channels": each.channels,
              "parameters": each.parameters, "weights": each.weights} for each in rows]
    if any(each.unusable for each in rows):
        return [row | {"unusable": each.unusable} for row, each in zip(found, rows, strict=True)]
    return found
