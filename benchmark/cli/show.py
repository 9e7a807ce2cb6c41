"""`lhlbench show`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.table import Table
from rich.text import Text

from benchmark.cli.options import RUNS, AsJson, NoPublished, Runs
from benchmark.cli.output import PlainConsole, print_json
from benchmark.config.family import TaskSequence, find_recipe, shipped_sequences
from benchmark.errors import unknown

if TYPE_CHECKING:
    from benchmark.record import Record


def show(name: Annotated[str, typer.Argument(help="a method, a sequence, or a run")],
         runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Show a method's settings and sources, a sequence, or a run's matrix."""
    sequences = {each.name: each for each in shipped_sequences()}
    if name in sequences:
        _show_sequence(sequences[name], as_json)
        return
    from benchmark.registry import method_names

    if name in method_names() or name.endswith(".py"):
        _show_method(name, as_json)
        return
    from benchmark.cli.records import all_records
    from benchmark.engine.run_folder import run_named
    from benchmark.record import RECORD_FILE, load_record

    collection = all_records(runs, no_published)
    records = {found.record.run_id: found for found in (*collection.complete, *collection.failed)}
    path = Path(name)
    name = run_named(name, records) or name
    if (name not in records and (path / RECORD_FILE).exists()) or path.suffix == ".json":
        _show_run(load_record(path), path, as_json)
    elif name in records:
        _show_run(records[name].record, records[name].folder, as_json)
    else:
        raise unknown("method, sequence or run", name, [*sequences, *method_names(), *records])


def _show_sequence(sequence: TaskSequence, as_json: bool) -> None:
    content: dict[str, Any] = {
        "sequence": sequence.name, "about": sequence.family.about, "tasks": list(sequence.tasks),
        "split": sequence.family.split, "dataset": sequence.family.dataset,
        "recipe": find_recipe(sequence).model_dump(mode="json")}
    if as_json:
        print_json(content)
    else:
        print(yaml.safe_dump(content, sort_keys=False, width=100), end="")


def _show_method(name: str, as_json: bool) -> None:
    from benchmark.registry import find_method

    method = find_method(name)
    fields = method.Config.model_fields
    settings = [{"setting": key, "default": field.default,
                 "source": (extra.get("source") if isinstance(
                     extra := field.json_schema_extra, dict) else None),
                 "description": (field.description or "").rpartition(" [")[0]}
                for key, field in fields.items()]
    content = {"method": method.name, "family": method.family, "kind": method.kind,
               "summary": method.summary, "reference": method.reference, "stores": method.stores,
               "needs": list(method.needs), "grid": {k: list(v) for k, v in method.grid.items()},
               "about": inspect.getdoc(method) or "", "settings": settings}
    if as_json:
        print_json(content)
        return
    console = PlainConsole()
    console.print(Text(method.name, "bold"), f" {method.summary}")
    console.print(f"family {method.family}, {method.kind}; stores {method.stores}; "
                  f"needs {', '.join(method.needs) or 'nothing'}")
    if method.reference:
        console.print(method.reference)
    console.print(f"\n{content['about']}\n")
    if settings:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in settings[0]:
            table.add_column(column)
        for row in settings:
            table.add_row(*map(str, row.values()))
        console.print(table)


def _show_run(record: Record, folder: Path, as_json: bool) -> None:
    if as_json:
        print_json(record.model_dump(mode="json", by_alias=True))
        return
    from benchmark.cli.matrix import print_matrix
    from benchmark.engine.run_folder import WEIGHTS_FILE

    console = PlainConsole()
    console.print(Text(record.run_id, "bold"), f" {record.status} {record.reason}".rstrip())
    print_matrix(record, folder if folder.is_dir() else folder.parent, console)
    console.print(f"folder: {folder}")
    if (weights := (folder if folder.is_dir() else folder.parent) / WEIGHTS_FILE).is_file():
        console.print(f"weights: {weights} ({weights.stat().st_size / 2**20:.1f} MiB), for "
                      "lhlbench evaluate and lhlbench predict", soft_wrap=True)
    console.print(f"command: {record.environment.get('command', '')}")
