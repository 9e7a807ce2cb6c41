"""`lhlbench evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from benchmark.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    Device,
    MethodFile,
    RunName,
    Runs,
    TaskNames,
    names_in,
    require_folder,
)
from benchmark.cli.output import PlainConsole, metric_text, print_json, print_line
from benchmark.errors import RunError

if TYPE_CHECKING:
    from benchmark.data.store.files import Store
    from benchmark.engine.results import Values
    from benchmark.engine.trained import TrainedNetwork

_LISTED = 5
"""Differences that the message names."""


def evaluate(run: RunName,
             sequence: Annotated[str | None, typer.Option(
                 "--sequence", help="Evaluate on the data set of this sequence (a name, or "
                 "FILE.yaml of your own) instead of the run's.")] = None,
             settings: Annotated[list[str] | None, typer.Option(
                 "--set", help="Another option of the data set, dataset.KEY=VALUE; repeatable.")
                 ] = None,
             tasks: TaskNames = None, method: MethodFile = None, device: Device = "auto",
             data_root: DataRoot = None, runs: Runs = RUNS, as_json: AsJson = False) -> None:
    """Evaluate the final weights of a run: its scores again, or those on other data.

    On the run's own data the result is compared with the record, bit for bit; any difference is
    listed and ends with code 1. Nothing is written.
    """
    from benchmark.data.sources.source import DataPaths, default_cache
    from benchmark.engine.reevaluate import (
        evaluated_tasks,
        evaluation_store,
        machine_differences,
        measure,
        require_same_data,
        values_that_differ,
    )
    from benchmark.engine.trained import open_trained

    require_folder("--data-root", data_root)
    trained = open_trained(run, runs, device, method)
    record, own = trained.record, sequence is None and not settings
    store = evaluation_store(record, DataPaths(default_cache(), data_root), sequence,
                             settings or ())
    if own:
        require_same_data(record, store)
    values = measure(trained, store, evaluated_tasks(trained, store, names_in(tasks)))
    wrong = values_that_differ(record, values) if own else []
    if as_json:
        print_json({"run_id": record.run_id, "dataset": {
            "name": store.manifest.name, "fingerprint": store.fingerprint,
            "eval_images": store.count("eval")}, "values": values,
            "equals_record": not wrong if own else None})
    else:
        _print_values(trained, store, values)
    if wrong:
        reasons = machine_differences(record, trained.device)
        raise RunError(f"{len(wrong)} values differ from the record: "
                       + "; ".join(map(str, wrong[:_LISTED]))
                       + (" ..." if len(wrong) > _LISTED else "") + (
                           f" ({'; '.join(reasons)})" if reasons else
                           " (device, threads and versions are those of the run)"))
    if own and not as_json:
        print_line(f"all {sum(map(len, values.values()))} values equal those of the record, bit "
                   "for bit")


def _print_values(trained: TrainedNetwork, store: Store, values: Values) -> None:
    from benchmark.cli.matrix import metric_heading

    record = trained.record
    table = Table(title=f"{record.method.name} on {record.sequence}, seed {record.seed}",
                  title_justify="left", header_style="bold")
    table.add_column("task")
    table.add_column("metric")
    table.add_column(f"after {len(record.tasks)}", justify="right")
    for task in record.tasks:
        for number, metric in enumerate(task.metrics if task.name in values else ()):
            table.add_row(task.name if number == 0 else "", metric_heading(metric),
                          metric_text(values[task.name][metric.name]),
                          style="bold" if metric.primary else "dim",
                          end_section=number == len(task.metrics) - 1)
    PlainConsole().print(table)
    print_line(f"evaluation images: {store.count('eval')}, of {store.manifest.name} "
               f"({store.fingerprint})")
