"""The matrix of one run, as a table on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmark.cli.output import metric_text
from benchmark.errors import RequestError
from benchmark.record import STATISTICS_FILE, MetricInfo, Record, load_statistics
from benchmark.scores import Matrix, relative_bwt, relative_forgetting
from benchmark.tasks.registry import kind_if_known

_MOST_PHASES = 5


def print_matrix(record: Record, folder: Path, console: Console) -> None:
    """The record's matrix, a row per metric, a column per phase, and what must be said of it."""
    table = Table(title=f"{record.method.name} on {record.sequence}, seed {record.seed}",
                  title_justify="left", header_style="bold")
    table.add_column("task")
    table.add_column("metric")
    shown = _columns(record)
    for heading in shown:
        table.add_column(heading, justify="right")
    for row, task in enumerate(record.tasks):
        for number, metric in enumerate(task.metrics):
            values = record.matrix[task.name][metric.name]
            table.add_row(task.name if number == 0 else "", metric_heading(metric),
                          *(metric_text(values[column if column is not None else row])
                            for column in shown.values()),
                          style="bold" if metric.primary else "dim",
                          end_section=number == len(task.metrics) - 1)
    console.print(table)
    matrix = Matrix.of(record)
    notes = []
    for name, score in (("forgetting", relative_forgetting(matrix)), ("BWT", relative_bwt(matrix))):
        if score.value is not None:
            notes.append(f"{name} {score.value:.1f} %")
    seconds = sum(phase.train_seconds + phase.eval_seconds for phase in record.phases)
    notes.append(f"{seconds:.0f} s")
    console.print(", ".join([*notes, *_remarks(record, folder)]))


def metric_heading(metric: MetricInfo) -> str:
    """`miou % ↑`: name, unit, and which way is better."""
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{metric.name}{unit} {'↑' if metric.higher_is_better else '↓'}"


def _columns(record: Record) -> dict[str, int | None]:
    """Heading -> phase (from 0) of the columns to show; None stands for the task's own phase.

    All phases while they fit a terminal, else just learnt and final.
    """
    if len(record.tasks) <= _MOST_PHASES:
        return {f"after {number}\n{task.name}": number - 1
                for number, task in enumerate(record.tasks, start=1)}
    return {"just learnt": None, f"after {len(record.tasks)}": len(record.tasks) - 1}


def _remarks(record: Record, folder: Path) -> list[str]:
    """What each task's kind says of the statistics of the last phase; nothing without them."""
    if record.status != "complete" or not (folder / STATISTICS_FILE).exists():
        return []
    last, found = len(record.tasks), []
    try:
        statistics = load_statistics(folder)
        for task in record.tasks:
            if kind := kind_if_known(task.kind):
                sums = {name: values.sum(0) for name, values in statistics[last, task.name].items()}
                if remark := kind.metrics.remark(sums):
                    found.append(f"{task.name} {remark}")
    except RequestError as error:
        return [str(error)]
    except (KeyError, IndexError, TypeError, ValueError):
        return [f"{folder / STATISTICS_FILE} does not fit the record; lhlbench validate says where"]
    return found
