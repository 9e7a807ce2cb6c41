"""Families of task sequences: which tasks, in which orders, on which images, by which recipe."""

from __future__ import annotations

import itertools
import math
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmark.config import yaml_file
from benchmark.config.recipe import Recipe
from benchmark.config.shipped import shipped
from benchmark.errors import RequestError, unknown
from benchmark.plug_ins import name_task_kinds

Protocol = Literal["disjoint", "shared"]
_FOLDERS = {"recipe": "recipes", "tuned": "tuned"}
"""Folders next to the families' files."""
_FILE_NAME = r"\w[\w.-]{0,99}"
"""Names of files in these folders, and in no other."""


class Shuffles(BaseModel):
    """Orders of a family with too many permutations to run: canonical and seeded shuffles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shuffles: int = Field(ge=0, le=1000, description="number of orders in addition to the "
                                                     "canonical one")
    seed: int = 0


class NamedOrders(BaseModel):
    """All permutations exist, but only the canonical one and some drawn by the seed are listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    named: int = Field(ge=1, le=1000, description="number of orders that are listed and meant to "
                                                  "be run")
    seed: int = 0


class Tuned(BaseModel):
    """One file `sequences/tuned/<name>.yaml`: settings chosen by `lhlbench tune`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    recipe: dict[str, Any] = Field({}, description="what all methods change in the recipe: the "
                                                   "learning rate finetune chose")
    methods: dict[str, dict[str, Any]] = Field(description="method -> its tuned settings")


class Family(BaseModel):
    """One file `sequences/<family>.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str = Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=80)
    about: str
    dataset: dict[str, Any]
    tasks: tuple[str, ...] = Field(min_length=1, max_length=100, description="canonical order")
    split: Protocol = Field("disjoint", description="disjoint: phase t owns block t of the "
                                                    "training images; shared: every phase "
                                                    "sees all of them")
    recipe: str
    orders: Literal["all"] | NamedOrders | Shuffles = "all"
    backbones: tuple[str, ...] = Field((), description="backbone of each phase, over and over; "
                                                       "default: the recipe's in all of them")
    held_out: float = Field(0.0, ge=0, lt=1, description="share of the training images that is "
                                                         "evaluated on, instead of the others")
    tuned: str | None = Field(None, description="tuned settings of methods, a file of tuned/")
    task_kinds: tuple[str, ...] = Field((), description="files and folders that define task kinds "
                                                        "of the user's own, beside this file")

    @model_validator(mode="after")
    def _consistent(self) -> Family:
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError("tasks: a task stands twice")
        if not isinstance(self.orders, Shuffles) and len(self.tasks) > 6:
            raise ValueError(f"orders: {len(self.tasks)} tasks have "
                             f"{math.factorial(len(self.tasks))} orders; use {{shuffles: k}}")
        return self

    def all_orders(self) -> list[tuple[str, ...]]:
        """Every order of the family; the first is canonical, no two are equal."""
        if isinstance(self.orders, Shuffles):
            return _shuffled(self.tasks, self.orders)
        return list(itertools.permutations(self.tasks))

    def listed(self) -> set[int]:
        """Numbers k of the orders s<k> that lists and globs show."""
        count = len(self.all_orders())
        if not isinstance(self.orders, NamedOrders):
            return set(range(1, count + 1))
        drawn = random.Random(self.orders.seed).sample(range(2, count + 1), count - 1)
        return {1, *drawn[:self.orders.named - 1]}


def _shuffled(tasks: tuple[str, ...], orders: Shuffles) -> list[tuple[str, ...]]:
    wanted = min(orders.shuffles + 1, math.factorial(len(tasks)))
    generator, found = random.Random(orders.seed), [tasks]
    while len(found) < wanted:
        order = tuple(generator.sample(tasks, len(tasks)))
        if order not in found:
            found.append(order)
    return found


@dataclass(frozen=True)
class TaskSequence:
    """One order of a family, named `<family>_s<k>`."""

    name: str
    tasks: tuple[str, ...]
    family: Family
    file: Path
    listed: bool = True
    """False for an order that exists but is not among those a family names."""


def sequences_of(file: Path) -> list[TaskSequence]:
    """All sequences a family file defines; the task kinds it names can be used from now on."""
    family = yaml_file.parse(Family, file)
    name_task_kinds((file.parent / path for path in family.task_kinds), f"{file}, task_kinds")
    listed = family.listed()
    return [TaskSequence(f"{family.family}_s{k}", order, family, file, k in listed)
            for k, order in enumerate(family.all_orders(), start=1)]


def shipped_sequences() -> list[TaskSequence]:
    """All sequences that come with the package."""
    return [sequence for file in sorted(shipped("sequences").glob("*.yaml"))
            for sequence in sequences_of(file)]


def find_sequence(name: str) -> TaskSequence:
    """A shipped sequence by its name, or one of a user's own file as `path.yaml[:s2]`.

    Raises `RequestError` with the nearest names when there is none.
    """
    file, _, order = name.partition(".yaml")
    if len(file) < len(name):
        own = sequences_of(Path(file + ".yaml"))
        wanted = f"{own[0].family.family}_{order.removeprefix(':') or 's1'}"
    else:
        own, wanted = shipped_sequences(), name
    for sequence in own:
        if sequence.name == wanted:
            return sequence
    raise unknown("sequence", wanted, [sequence.name for sequence in own])


def find_recipe(sequence: TaskSequence, name: str | None = None) -> Recipe:
    """The recipe a sequence names, or another: from `recipes/` next to its file, else shipped.

    Raises `RequestError` with the nearest names when there is none.
    """
    return yaml_file.parse(Recipe, _find_file(sequence, "recipe", sequence.family.recipe, name))


def find_tuned(sequence: TaskSequence) -> Tuned:
    """The settings that were tuned for the sequence's family.

    Raises `RequestError` when the family names no tuned settings.
    """
    if sequence.family.tuned is None:
        raise RequestError(f"{sequence.file} has no tuned settings (tuned: ...); leave --tuned out")
    return yaml_file.parse(Tuned, _find_file(sequence, "tuned", sequence.family.tuned, None))


def _find_file(sequence: TaskSequence, what: str, usual: str, chosen: str | None) -> Path:
    name, wanted = _FOLDERS[what], chosen or usual
    folders = [sequence.file.parent / name, shipped("sequences") / name]
    for folder in folders if re.fullmatch(_FILE_NAME, wanted) else ():
        if (file := folder / f"{wanted}.yaml").is_file():
            return file
    known = [file.stem for folder in folders for file in folder.glob("*.yaml")]
    origin = f"--{what}" if chosen else str(sequence.file)
    raise RequestError(f"{origin}: {unknown(what, wanted, known)}")
