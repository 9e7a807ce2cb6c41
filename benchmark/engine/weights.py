"""The final weights of a run, as `weights.safetensors`: for its own commands and for other tools.

Tensors:

    backbone.*, heads.<task>.*  the network's state dict
    method.*                    what the method predicts with besides, by its place in the method's
                                state; none where a method predicts with the network alone

Metadata, all text: `format` (1), `run` (the run id), `record` (sha256 of `record.json`),
`backbone` (the architecture), `tasks` (JSON, in the order of learning: name, kind, channels,
encoding, unit, classes), `prediction` (`network`, or `method` where the method's own code takes
part), `tree` (JSON, the structure of the method's state), `sha256` (over tensors and metadata).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from benchmark.engine import checkpoint
from benchmark.engine.run_folder import WEIGHTS_FILE, record_digest
from benchmark.errors import RequestError, RunError
from benchmark.method import Method, State
from benchmark.model.network import Network
from benchmark.record import RECORD_FILE, Record
from benchmark.tasks import Task

FORMAT = 1
_METHOD = "method"


@dataclass(frozen=True)
class Weights:
    """What the weights file of a run holds."""

    tasks: tuple[Task, ...]
    """In the order of learning."""
    backbone: str
    """Name of the architecture, as in a recipe."""
    network: dict[str, Tensor]
    method: State | None
    """The method's state; None where the network predicts alone."""


def save_weights(folder: Path, record: Record, network: Network, method: Method) -> None:
    """Write the weights of a complete run into its folder, before its record is written.

    The method's state goes with them where `predict` is its own. Raises `OSError` when the file
    cannot be written.
    """
    own = type(method).predict is not Method.predict
    state: dict[str, Any] = dict(network.state_dict())
    if own:
        state[_METHOD] = method.state_dict()
    order = [network.tasks[task.name].model_dump(mode="json") for task in record.tasks]
    checkpoint.save_state(folder / WEIGHTS_FILE, state, record.run_id, about={
        "format": str(FORMAT), "record": hashlib.sha256(record.text.encode()).hexdigest(),
        "backbone": network.recipe.backbone, "tasks": json.dumps(order),
        "prediction": "method" if own else "network"})


def load_weights(folder: Path, record: Record) -> Weights:
    """The weights of a run, on the CPU.

    Raises `RequestError` for a file of a newer format, of another run or another record, and
    `RunError` for one that is damaged.
    """
    path = folder / WEIGHTS_FILE
    about = checkpoint.load_metadata(path)
    if about.get("format") != str(FORMAT):
        raise RequestError(f"{path} has format {about.get('format')}, this version reads {FORMAT}; "
                           "update lhlbench, or train the run again")
    if about.get("run") != record.run_id:
        raise RequestError(f"{path} is of another run, {about.get('run')}; put the file of "
                           f"{record.run_id} there")
    try:
        state = checkpoint.load_state(path, run=record.run_id)
    except checkpoint.Unusable as error:
        raise RunError(f"{error}; start the run again with --overwrite") from None
    if about["record"] != record_digest(folder):
        raise RequestError(f"{folder / RECORD_FILE} is not the record that {WEIGHTS_FILE} beside "
                           "it was written with; put the run's own file back")
    method = state.pop(_METHOD) if about["prediction"] == "method" else None
    return Weights(_tasks(path, about["tasks"], record), about["backbone"], state, method)


def _tasks(path: Path, text: str, record: Record) -> tuple[Task, ...]:
    try:
        tasks = tuple(Task.model_validate(each) for each in json.loads(text))
    except (ValidationError, ValueError, TypeError) as error:
        raise RequestError(f"{path}: its tasks cannot be read: {error}") from None
    expected: Sequence[tuple[str, str]] = [(task.name, task.kind) for task in record.tasks]
    if [(task.name, task.kind) for task in tasks] != expected:
        raise RequestError(f"{path}: its tasks are not those of {RECORD_FILE}")
    return tasks
