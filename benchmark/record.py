"""What a run leaves: the validated `record.json` and the statistics it was derived from."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark.config.json_file import LONGEST_TEXT, parse_json, require_usable
from benchmark.errors import RequestError, one_line, shortened
from benchmark.files import digest, json_text, read_arrays, read_file, write_atomically, write_text

SCHEMA = 1
RECORD_FILE = "record.json"
STATISTICS_FILE = "statistics.npz"
CONFIG_FILE = "config.yaml"
LOG_FILE = "log.jsonl"
LOCK_FILE = ".lock"
"""Locked for as long as a process is at the run; the kernel frees it when the process dies."""
LONGEST_RUN_ID = 200
LARGEST_RECORD = 1 << 24
"""Bytes of a `record.json`; those of ten tasks have some ten thousand."""
LARGEST_STATISTICS = 1 << 30
"""Bytes of all arrays of a `statistics.npz`, uncompressed."""

Statistics = dict[str, NDArray[Any]]
"""Sufficient statistics of one task: name -> array with one row per evaluation image."""


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ValueError("must be finite; an undefined value is null")
    return value


def _nameable(name: str) -> str:
    if "/" in name:
        raise ValueError(f"'{name}' holds a /, which stands between a task and its metric")
    return name


def _storable(text: str) -> str:
    """Of a reason, what a file can hold: an error's message may be anything."""
    return shortened(text.encode("utf-8", "backslashreplace").decode(), LONGEST_TEXT // 2)


Value = Annotated[float | None, AfterValidator(_finite)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
KeyPart = Annotated[Name, AfterValidator(_nameable)]
"""The name of a task or of a metric: a part of keys such as `depth/rmse`."""


class OtherSchema(RequestError):
    """A record was written by another version of lhlbench."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MethodInfo(_Part):
    """The method with its full configuration, defaults included."""

    name: Name
    config: dict[str, Any]
    kind: Literal["lifelong", "bound"]


class DatasetInfo(_Part):
    """The data; the fingerprint tells whether two records saw the same numbers."""

    name: str
    fingerprint: str
    train_images: int
    eval_images: int


class MetricInfo(_Part):
    """A metric as measured: `formula` names its definition in docs/metrics.md."""

    name: KeyPart
    unit: str
    higher_is_better: bool
    primary: bool
    formula: str


class TaskInfo(_Part):
    """A task and the metrics it was measured by, in the sequence's order."""

    name: KeyPart
    kind: str
    metrics: tuple[MetricInfo, ...] = Field(max_length=100)


class PhaseInfo(_Part):
    """What one phase did and cost. `task` joins several tasks by '+' (bounds only)."""

    task: str
    epochs: int
    steps: int
    images: int
    train_seconds: float
    eval_seconds: float
    images_per_second: float
    peak_memory_bytes: int
    encoder_forwards: int | None = None
    """Images that went through an encoder (teachers' too) from the beginning of the phase to what
    is computed at its end, evaluation left out; finetune has one per training image."""
    encoder_backwards: int | None = None
    """Of these, with gradients coming back."""


class Cost(_Part):
    """What a method costs: parameters of the final model, those beyond one backbone and a head
    per task, and the most bytes carried from one phase to the next."""

    parameters: int
    parameters_added: int
    carried_bytes: int
    exemplars: int = 0
    exemplar_bytes: int = 0

    @model_validator(mode="after")
    def _has_a_network(self) -> Cost:
        if self.parameters_added > self.parameters:
            raise ValueError("cost.parameters_added is greater than cost.parameters")
        if self.parameters_added == self.parameters != 0:
            raise ValueError("cost.parameters_added is all of cost.parameters, none is left for a "
                             "backbone and heads")
        return self


class Record(_Part):
    """One run. Scores are computed from it, never stored in it."""

    schema_version: Literal[1] = Field(1, alias="schema")
    protocol: int
    run_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_RUN_ID)
    status: Literal["complete", "failed"]
    reason: Annotated[str, AfterValidator(_storable)] = ""
    method: MethodInfo
    sequence: Name
    dataset: DatasetInfo
    seed: int
    tasks: tuple[TaskInfo, ...] = Field(max_length=100)
    matrix: dict[str, dict[str, tuple[Value, ...]]]
    phases: tuple[PhaseInfo, ...]
    cost: Cost | None
    config: dict[str, Any]
    environment: dict[str, Any]

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _matrix_fits(self) -> Record:
        if sorted(self.matrix) != sorted(task.name for task in self.tasks):
            raise ValueError("matrix and tasks name different tasks")
        if self.status == "complete" and not self.tasks:
            raise ValueError("the run is complete and has no task")
        if not isinstance(self.config.get("recipe", {}), dict):
            raise ValueError("config.recipe is missing")
        for task in self.tasks:
            rows = self.matrix[task.name]
            if sorted(rows) != sorted(metric.name for metric in task.metrics):
                raise ValueError(f"matrix['{task.name}'] does not hold exactly the task's metrics")
            if sum(metric.primary for metric in task.metrics) != 1:
                raise ValueError(f"task '{task.name}' needs exactly one primary metric")
            for metric, values in rows.items():
                if len(values) != len(self.tasks):
                    raise ValueError(f"matrix['{task.name}']['{metric}'] has {len(values)} "
                                     f"values for {len(self.tasks)} phases")
        return self

    def why_undefined(self, task: str, values: Sequence[float | None]) -> str:
        """After which evaluation a metric of a task has no value, and why; empty where it has all.

        `values` are those after phases 1 to T. A task is evaluated after every phase since its
        own, and after the last alone where all tasks were learnt in one phase.
        """
        names = [each.name for each in self.tasks]
        first = len(names) if len(self.phases) == 1 else 1 + names.index(task)
        lacking = [f"after phase {phase}" for phase in range(first, len(names) + 1)
                   if values[phase - 1] is None]
        if self.status != "complete" or not lacking:
            return ""
        not_finite = self.reason.partition(": ")[2].split(", ")
        known = [where for where in lacking if f"{task} {where}" in not_finite]
        return (f"undefined {known[0]}, where predictions are not finite" if known
                else f"undefined {lacking[0]}, where no group of images gives it a value")

    @property
    def text(self) -> str:
        """The content of `record.json`."""
        return json_text(self.model_dump(mode="json", by_alias=True))

    def save(self, folder: Path) -> Path:
        """Write `record.json` into `folder`, atomically and after validation."""
        path = folder / RECORD_FILE
        write_text(path, self.text)
        return path


def run_id(config: Mapping[str, Any], fingerprint: str, protocol: int) -> str:
    """The name of a run: readable, and different whenever something that changes numbers is.

    `config` is a resolved configuration as records hold it, `fingerprint` that of its data.
    """
    recipe = {key: value for key, value in config["recipe"].items() if key != "about"}
    mark = digest([protocol, fingerprint, {**config, "recipe": recipe}])[:10]
    return f"{config['method']}-{config['sequence']}-seed{config['seed']}-{mark}"


def load_record(path: Path) -> Record:
    """Read and validate a record: a `record.json`, or the folder that holds one.

    Raises `RequestError` naming the file and the first thing wrong with it.
    """
    file = path / RECORD_FILE if path.is_dir() else path
    try:
        text = read_file(file, LARGEST_RECORD)
        content = parse_json(text)
        schema = content.get("schema") if isinstance(content, dict) else None
        if isinstance(schema, int) and schema > SCHEMA:
            raise OtherSchema(f"{file}: not a record: it was written by a newer lhlbench, which "
                              "this version cannot read; update lhlbench")
        require_usable(content, text)
        return Record.model_validate(content)
    except FileNotFoundError:
        raise RequestError(f"{file} does not exist") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the record"
        problem = f"{where}: {first['msg'].removeprefix('Value error, ')}"
    except OSError as error:
        problem = f"not a record: {error.strerror or error}"
    except (ValueError, RecursionError) as error:
        problem = f"not a record: {error}"
    raise RequestError(f"{file}: {shortened(one_line(problem), 300)}")


def save_statistics(folder: Path, statistics: dict[tuple[int, str], Statistics]) -> None:
    """Write per-image statistics, keyed by (phase counted from 1, task), atomically."""
    arrays = {f"{phase}/{task}/{name}": array for (phase, task), fields in statistics.items()
              for name, array in fields.items()}

    def write(path: Path) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    write_atomically(folder / STATISTICS_FILE, write)


def load_statistics(folder: Path) -> dict[tuple[int, str], Statistics]:
    """The inverse of `save_statistics`. Raises `RequestError` naming a file that is damaged."""
    path = folder / STATISTICS_FILE
    found: dict[tuple[int, str], Statistics] = {}
    try:
        for key, array in read_arrays(path, LARGEST_STATISTICS).items():
            match = re.fullmatch(r"([0-9]{1,4})/([a-z][a-z0-9_]*)/([a-z0-9_]+)", key)
            if match is None:
                raise ValueError(f"unexpected array '{key}'")
            if array.dtype.kind not in "iuf":
                raise ValueError(f"'{key}' holds {array.dtype}, no counts or sums")
            found.setdefault((int(match[1]), match[2]), {})[match[3]] = array
    except FileNotFoundError:
        raise RequestError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise RequestError(f"{path}: not readable statistics: {shortened(one_line(why), 300)}"
                           ) from None
    return found
