"""The tidy frame: every measured value of every run as one row.

Whatever people read of results is a selection, a group-by or a pivot of it, or of the scores per
run that `benchmark.report.runs.scoring` computes from the same matrices.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.config.overrides import setting_text
from benchmark.data.formats.reader import import_optional
from benchmark.errors import RequestError, one_line, unknown
from benchmark.files import readable_json
from benchmark.record import STATISTICS_FILE, load_statistics
from benchmark.report.runs.collection import StoredRun
from benchmark.report.runs.grid import Grid, MethodRuns, RunKey, family_of, order_number
from benchmark.report.runs.settings import flatten
from benchmark.scores import Matrix, Value
from benchmark.tasks.metric_values import values_of

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@")
"""Signs with which a spreadsheet takes a text for a formula."""

TIDY = {"run_id": "str", "method": "str", "label": "str", "sequence": "str", "family": "str",
        "order": "int64", "seed": "int64", "phase": "int64", "task": "str", "kind": "str",
        "metric": "str", "unit": "str", "higher_is_better": "bool", "primary": "bool",
        "value": "float64", "convention": "str", "grid": "str"}
"""Columns of the tidy frame and their types. `label` names method and settings, `order` is the
number k of the sequence `<family>_s<k>`, `phase` counts from 1; `value` is NaN where a metric is
undefined; `grid` names the runs a row may be compared with."""


def tidy_frame(grids: Iterable[Grid], convention: str = "pixel",
               settings: Sequence[str] = ()) -> pd.DataFrame:
    """One row per value: a metric of a task after a phase of a finished run.

    Values from before a task was learnt have no row. `settings` are dotted keys of `config.yaml`,
    such as recipe.lr, that become columns beside those of `TIDY`. Raises `RequestError` for a
    setting that no run has, and for a run that cannot be scored under `convention`.
    """
    import pandas as pd

    grids = list(grids)
    rows = [row | {"grid": grid.title} for grid in grids for method in grid.methods
            for key in grid.keys if key in method.runs
            for row in _rows(method, method.runs[key], convention)]
    frame = pd.DataFrame(rows, columns=[*TIDY]).astype(TIDY)
    flat = {run.record.run_id: flatten(run.record.config) for grid in grids
            for method in grid.methods for run in method.runs.values()}
    known = {name for config in flat.values() for name in config}
    for name in settings:
        if name not in known:
            raise unknown("setting of a run", name, known)
        frame[name] = [flat[run_id].get(name) for run_id in frame["run_id"]]
    return frame


def frame_bytes(frame: pd.DataFrame, format: str) -> bytes:
    """A frame as a file: csv, json (a list of rows) or parquet.

    Raises `RequestError` for another format, and when the package for Parquet is missing.
    """
    if format == "csv":
        texts = {name: frame[name].map(csv_cell) for name in map(str, frame)
                 if frame[name].dtype.kind == "O"}
        return frame.assign(**texts).rename(columns=csv_cell).to_csv(
            index=False, lineterminator="\n").encode()
    if format == "json":
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        return f"{readable_json(rows)}\n".encode()
    if format == "parquet":
        import_optional("pyarrow", "hub", "writing Parquet files")
        buffer = io.BytesIO()
        mixed = {name: frame[name].map(setting_text) for name in map(str, frame)
                 if _is_mixed(frame[name])}
        frame.assign(**mixed).to_parquet(buffer, index=False)
        return buffer.getvalue()
    raise unknown("format", format, ["csv", "json", "parquet"])


def csv_cell(value: Any) -> Any:
    """A cell that a spreadsheet shows as it is: text that it would compute gets a quotation mark.

    Numbers stay numbers; control characters of texts become visible.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA else text


def _is_mixed(column: pd.Series[Any]) -> bool:
    """Whether a column holds lists, or values of several types, and so has no type of its own."""
    kinds = {type(value) for value in column if value is not None}
    return bool(kinds & {list, dict}) or len(kinds) > 1


def _rows(method: MethodRuns, run: StoredRun, convention: str) -> Iterable[dict[str, Any]]:
    record = run.record
    kinds = {task.name: task.kind for task in record.tasks}
    about = {"run_id": record.run_id, "method": method.name, "label": method.label,
             "sequence": record.sequence, "family": family_of(record),
             "order": order_number(record.sequence), "seed": record.seed,
             "convention": convention}
    measured = {phase for matrix in record.matrix.values() for values in matrix.values()
                for phase, value in enumerate(values, start=1) if value is not None}
    for curves in matrix_of(run, convention).tasks:
        for curve in curves:
            for phase in range(curve.learnt, len(curve.values) + 1):
                if phase in measured:
                    yield about | {
                        "phase": phase, "task": curve.task, "kind": kinds[curve.task],
                        "metric": curve.metric, "unit": curve.unit,
                        "higher_is_better": curve.higher_is_better, "primary": curve.primary,
                        "value": curve.after(phase)}


def matrices_of(grid: Grid, convention: str = "pixel",
                ) -> tuple[dict[str, dict[RunKey, Matrix]], dict[str, RequestError]]:
    """R of every finished run, by label and key in the order of the grid's keys; and, by run id,
    why a run cannot be scored under `convention`."""
    found: dict[str, dict[RunKey, Matrix]] = {}
    errors: dict[str, RequestError] = {}
    for method in grid.methods:
        own = found.setdefault(method.label, {})
        for key in grid.keys:
            if run := method.runs.get(key):
                try:
                    own[key] = matrix_of(run, convention)
                except RequestError as error:
                    errors[run.record.run_id] = error
    return found, errors


def matrix_of(run: StoredRun, convention: str = "pixel") -> Matrix:
    """R of a run under `convention`; `pixel` is what its record holds.

    Raises `RequestError` when the run's statistics are missing, damaged or incomplete.
    """
    record = run.record
    if convention == "pixel":
        return Matrix.of(record)
    statistics = load_statistics(run.folder)
    measured: dict[str, dict[str, list[Value]]] = {}
    for task in record.tasks:
        rows = record.matrix[task.name]
        measured[task.name] = {metric: [None] * len(values) for metric, values in rows.items()}
        for phase in range(1, len(record.tasks) + 1):
            if all(values[phase - 1] is None for values in rows.values()):
                continue
            try:
                values = values_of(task, statistics[phase, task.name], convention)
                _fill(measured[task.name], phase, values)
            except (KeyError, ValueError) as error:
                what = f"nothing for {error}" if isinstance(error, KeyError) else str(error)
                raise RequestError(f"{run.folder / STATISTICS_FILE}: does not fit its record "
                                   f"(phase {phase}, {task.name}): {what}") from None
    return Matrix.of(record, measured)


def _fill(rows: Mapping[str, list[Value]], phase: int, values: Mapping[str, float]) -> None:
    for metric, row in rows.items():
        value = values[metric]
        row[phase - 1] = None if math.isnan(value) else value
