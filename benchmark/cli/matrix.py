"""The matrix of one run, as a table on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmark.cli.output import metric_text
from benchmark.record import Record
from benchmark.scores import Matrix, relative_bwt, relative_forgetting


def print_matrix(record: Record, console: Console) -> None:
    """The record's matrix, a row per metric, a column per phase."""
    table = Table(title=f"{record.method.name} on {record.sequence}, seed {record.seed}",
                  title_justify="left", header_style="bold")
    table.add_column("task")
    table.add_column("metric")
    for number, task in enumerate(record.tasks, start=1):
        table.add_column(f"after {number}\n{task.name}", justify="right")
    for task in record.tasks:
        for place, metric in enumerate(task.metrics):
            values = record.matrix[task.name][metric.name]
            arrow = "↑" if metric.higher_is_better else "↓"
            unit = f" {metric.unit}" if metric.unit else ""
            table.add_row(task.name if place == 0 else "", f"{metric.name}{unit} {arrow}",
                          *(metric_text(value) for value in values),
                          style="bold" if metric.primary else "dim",
                          end_section=place == len(task.metrics) - 1)
    console.print(table)
    matrix = Matrix.of(record)
    told = []
    for name, score in (("forgetting", relative_forgetting(matrix)), ("BWT", relative_bwt(matrix))):
        if score.value is not None:
            told.append(f"{name} {score.value:.1f} %")
    seconds = sum(phase.train_seconds + phase.eval_seconds for phase in record.phases)
    told.append(f"{seconds:.0f} s")
    console.print(", ".join(told), highlight=False)
