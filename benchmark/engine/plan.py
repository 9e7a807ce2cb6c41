"""Plans: a request resolved to one complete configuration; nothing is written to disk."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from benchmark import PROTOCOL_VERSION
from benchmark.config.canonical import LATER, canonical
from benchmark.config.family import (
    Protocol,
    TaskSequence,
    Tuned,
    find_recipe,
    find_sequence,
    find_tuned,
)
from benchmark.config.overrides import override
from benchmark.config.recipe import Recipe
from benchmark.config.yaml_file import validate
from benchmark.data.sources.source import SourceConfig, find_source, source_config
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError, unknown
from benchmark.method import Method
from benchmark.model.pretrained import weights_digests
from benchmark.record import LONGEST_RUN_ID, run_id
from benchmark.registry import find_method, plug_in_digest
from benchmark.tasks.registry import file_digests


class RunConfig(BaseModel):
    """Everything that changes the numbers of a run, apart from the data's own content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    method_config: dict[str, Any]
    plug_in: str | None = None
    """sha256 of the method's file when it was given by path."""
    sequence: str
    tasks: tuple[str, ...]
    split: Protocol
    dataset: dict[str, Any]
    recipe: Recipe
    backbones: tuple[str, ...] = Field((), json_schema_extra=LATER)
    """Backbone of each phase, over and over; none: the recipe's."""
    held_out: float = Field(0.0, json_schema_extra=LATER)
    """Share of the training images that is evaluated on, instead of the evaluation images."""
    task_kinds: dict[str, str] = Field({}, json_schema_extra=LATER)
    """sha256 of the files of each kind the tasks are of, for kinds that come from files."""
    weights: dict[str, str] = Field({}, json_schema_extra=LATER)
    """First digits of the sha256 of each backbone's weights, where a file of weights is read."""
    seed: int

    def canonical(self) -> dict[str, Any]:
        """JSON values of the configuration, as records keep it and run ids hash it."""
        return canonical(self) | {"recipe": canonical(self.recipe)}

    def backbone(self, phase: int) -> str:
        """The backbone of a phase, counted from 1."""
        if not self.backbones:
            return self.recipe.backbone
        return self.backbones[(phase - 1) % len(self.backbones)]


@dataclass(frozen=True)
class Plan:
    """A run ready to start: configuration, method class, data set and task sequence."""

    config: RunConfig
    method: type[Method]
    source_config: SourceConfig
    sequence: TaskSequence

    def run_id(self, fingerprint: str) -> str:
        """A readable name, different whenever something that changes numbers is.

        `fingerprint` is that of the data.
        """
        return run_id(self.config.canonical(), fingerprint, PROTOCOL_VERSION)

    def make_method(self) -> Method:
        """An untrained instance of the method, as configured."""
        return self.method(self.method.Config.model_validate(self.config.method_config))


def make_plan(request: RunRequest, sequence: TaskSequence | None = None) -> Plan:
    """Resolve a request: its settings over tuned values over the family's file over defaults.

    `sequence` is the request's, where the caller has found it already. Raises `RequestError` for
    unknown names and keys (nearest ones suggested) and values out of range.
    """
    method = find_method(request.method)
    sequence = sequence or find_sequence(request.sequence)
    tuned = find_tuned(sequence) if request.tuned else Tuned(about="nothing", methods={})
    recipe = find_recipe(sequence, request.recipe).model_dump()
    content: dict[str, Any] = {
        "recipe": {**recipe, **tuned.recipe},
        "dataset": copy.deepcopy(sequence.family.dataset), "split": sequence.family.split,
        "backbones": list(sequence.family.backbones), "held_out": sequence.family.held_out}
    changed = override(content, request.settings, "--set", closed=True)
    if not isinstance(content["recipe"], dict) or not isinstance(content["dataset"], dict):
        raise RequestError("--set recipe.KEY=VALUE or dataset.KEY=VALUE, not the whole block")
    where = f"{sequence.file} with --set" if changed else str(sequence.file)
    training = validate(Recipe, content["recipe"], f"{where}, recipe")
    dataset = source_config(content["dataset"], where)
    own: dict[str, Any] = dict(tuned.methods.get(method.name, {}))
    override(own, request.method_settings, "--method-set")
    method_config = validate(method.Config, own, f"--method-set ({method.name})")
    _check_tasks(sequence, dataset)
    kinds = dataset.named_kinds()
    config = validate(RunConfig, {
        "method": method.name, "method_config": canonical(method_config),
        "plug_in": plug_in_digest(request.method), "sequence": sequence.name,
        "tasks": sequence.tasks, "split": content["split"],
        "dataset": dataset.model_dump(mode="json"), "recipe": training,
        "backbones": content["backbones"], "held_out": content["held_out"],
        "task_kinds": file_digests(kinds[task] for task in sequence.tasks if task in kinds),
        "weights": weights_digests(content["backbones"] or [training.backbone], training.weights),
        "seed": request.seed}, "--set")
    plan = Plan(config, method, dataset, sequence)
    if len(name := plan.run_id("")) > LONGEST_RUN_ID:
        raise RequestError(f"the name of the run, {name}, is longer than {LONGEST_RUN_ID} letters; "
                           f"shorten the family's name in {sequence.file}")
    return plan


def _check_tasks(sequence: TaskSequence, dataset: SourceConfig) -> None:
    known = find_source(dataset.name).task_names(dataset)
    for task in sequence.tasks:
        if task not in known:
            raise RequestError(f"{sequence.file}, tasks: {unknown('task', task, known)}")
