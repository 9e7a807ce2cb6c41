"""What a run leaves: the validated `record.json` and the statistics it was derived from."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark.errors import RequestError
from benchmark.files import digest, json_text, write_atomically, write_text

SCHEMA = 1
RECORD_FILE = "record.json"
STATISTICS_FILE = "statistics.npz"
CONFIG_FILE = "config.yaml"
LOG_FILE = "log.jsonl"
LOCK_FILE = ".lock"
"""Held by the process that carries out the run."""
LONGEST_RUN_ID = 200

Statistics = dict[str, NDArray[Any]]
"""Sufficient statistics of one task: name -> array with one row per evaluation image."""


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ValueError("must be finite; an undefined value is null")
    return value


Value = Annotated[float | None, AfterValidator(_finite)]


class OtherSchema(RequestError):
    """A record was written by another version of lhlbench."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MethodInfo(_Part):
    """The method with its full configuration, defaults included."""

    name: str
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

    name: str
    unit: str
    higher_is_better: bool
    primary: bool
    formula: str


class TaskInfo(_Part):
    """A task and the metrics it was measured by, in the sequence's order."""

    name: str
    kind: str
    metrics: tuple[MetricInfo, ...]


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


class Record(_Part):
    """One run. Scores are computed from it, never stored in it."""

    schema_version: Literal[1] = Field(1, alias="schema")
    protocol: int
    run_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_RUN_ID)
    status: Literal["complete", "failed"]
    reason: str = ""
    method: MethodInfo
    sequence: str
    dataset: DatasetInfo
    seed: int
    tasks: tuple[TaskInfo, ...]
    matrix: dict[str, dict[str, tuple[Value, ...]]]
    phases: tuple[PhaseInfo, ...]
    cost: Cost | None
    config: dict[str, Any]
    environment: dict[str, Any]

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _matrix_fits(self) -> Record:
        if set(self.matrix) != {task.name for task in self.tasks}:
            raise ValueError("matrix and tasks name different tasks")
        for task in self.tasks:
            rows = self.matrix[task.name]
            if set(rows) != {metric.name for metric in task.metrics}:
                raise ValueError(f"matrix['{task.name}'] does not hold exactly the task's metrics")
            if sum(metric.primary for metric in task.metrics) != 1:
                raise ValueError(f"task '{task.name}' needs exactly one primary metric")
            for metric, values in rows.items():
                if len(values) != len(self.tasks):
                    raise ValueError(f"matrix['{task.name}']['{metric}'] has {len(values)} "
                                     f"values for {len(self.tasks)} phases")
        return self

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


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"duplicate key '{max(keys, key=keys.count)}'")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def load_record(path: Path) -> Record:
    """Read and validate a record: a `record.json`, or the folder that holds one.

    Raises `RequestError` naming the file and the first thing wrong with it.
    """
    file = path / RECORD_FILE if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_no_duplicates,
                             parse_constant=_no_constant)
        if isinstance(content, dict) and content.get("schema") not in (None, SCHEMA):
            raise OtherSchema(f"{file}: schema {content['schema']} is not the {SCHEMA} this "
                               "version reads; update lhlbench")
        return Record.model_validate(content)
    except FileNotFoundError:
        raise RequestError(f"{file} does not exist") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the record"
        raise RequestError(f"{file}: {where}: {first['msg']}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(f"{file}: not a record: {error}") from None


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
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:
                if not re.fullmatch(r"\d+/[a-z][a-z0-9_]*/[a-z0-9_]+", key):
                    raise ValueError(f"unexpected array '{key}'")
                phase, task, name = key.split("/")
                found.setdefault((int(phase), task), {})[name] = arrays[key]
    except FileNotFoundError:
        raise RequestError(f"{path} does not exist") from None
    except Exception as error:  # zipfile, zlib and numpy each raise their own on damaged files
        raise RequestError(f"{path}: not readable statistics: {error}") from None
    return found
