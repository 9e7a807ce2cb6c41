"""From what the user asks to one resolved, complete configuration; nothing touches the disk."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmark import PROTOCOL_VERSION
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
from benchmark.errors import RequestError, unknown
from benchmark.method import Method
from benchmark.record import run_id
from benchmark.registry import find_method, plug_in_digest


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
    backbones: tuple[str, ...] = ()
    """Backbone of each phase, over and over; none: the recipe's."""
    held_out: float = 0.0
    """Share of the training images that is evaluated on, instead of the evaluation images."""
    seed: int

    def canonical(self) -> dict[str, Any]:
        """As JSON values; without choices that were added later and not made, so that records and
        run ids of before stay what they were."""
        told = self.model_dump(mode="json")
        return {key: value for key, value in told.items()
                if value or key not in ("backbones", "held_out")}

    def backbone(self, phase: int) -> str:
        """The backbone of a phase, counted from 1."""
        if not self.backbones:
            return self.recipe.backbone
        return self.backbones[(phase - 1) % len(self.backbones)]


@dataclass(frozen=True)
class Plan:
    """A run that could start now."""

    config: RunConfig
    method: type[Method]
    source_config: SourceConfig
    sequence: TaskSequence

    def run_id(self, fingerprint: str) -> str:
        """Readable, and different whenever something that changes numbers is."""
        return run_id(self.config.canonical(), fingerprint, PROTOCOL_VERSION)

    def make_method(self) -> Method:
        return self.method(self.method.Config.model_validate(self.config.method_config))


def make_plan(method: str, sequence: str, seed: int = 0, settings: Iterable[str] = (),
              method_settings: Iterable[str] = (), recipe: str | None = None,
              tuned: bool = False) -> Plan:
    """Resolve a request: command line over family file over defaults.

    `recipe` names another recipe than the family's; with `tuned`, the method's settings and the
    recipe's learning rate are those tuned for the family; `settings` are `recipe.epochs=5`-like,
    `method_settings` `weight=3`-like strings. Raises `RequestError` for unknown names and keys
    (nearest ones suggested) and values out of range.
    """
    chosen, found = find_method(method), find_sequence(sequence)
    values = find_tuned(found) if tuned else Tuned(about="nothing", methods={})
    content: dict[str, Any] = {
        "recipe": {**find_recipe(found, recipe).model_dump(), **values.recipe},
        "dataset": copy.deepcopy(found.family.dataset), "split": found.family.split,
        "backbones": list(found.family.backbones), "held_out": found.family.held_out}
    changed = override(content, settings, "--set", closed=True)
    if not isinstance(content["recipe"], dict) or not isinstance(content["dataset"], dict):
        raise RequestError("--set recipe.KEY=VALUE or dataset.KEY=VALUE, not the whole block")
    where = f"{found.file} with --set" if changed else str(found.file)
    training = validate(Recipe, content["recipe"], f"{where}, recipe")
    dataset = source_config(content["dataset"], where)
    own: dict[str, Any] = dict(values.methods.get(chosen.name, {}))
    override(own, method_settings, "--method-set")
    method_config = validate(chosen.Config, own, f"--method-set ({chosen.name})")
    _check_tasks(found, dataset)
    config = validate(RunConfig, {
        "method": chosen.name, "method_config": method_config.model_dump(mode="json"),
        "plug_in": plug_in_digest(method), "sequence": found.name, "tasks": found.tasks,
        "split": content["split"], "dataset": dataset.model_dump(mode="json"),
        "recipe": training, "backbones": content["backbones"],
        "held_out": content["held_out"], "seed": seed}, "--set")
    return Plan(config, chosen, dataset, found)


def _check_tasks(sequence: TaskSequence, dataset: SourceConfig) -> None:
    offered = find_source(dataset.name).task_names(dataset)
    for task in sequence.tasks:
        if task not in offered:
            raise RequestError(f"{sequence.file}, tasks: {unknown('task', task, offered)}")
