"""Where a paper's tables are measured here: `results/paper/<paper>.yaml` beside its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from benchmark.config import yaml_file
from benchmark.config.family import find_sequence
from benchmark.config.shipped import shipped
from benchmark.errors import RequestError
from benchmark.report.papers.published import Key


def _as_variant(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


class MethodVariant(BaseModel):
    """A method under settings of its own, as `--method-set` takes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    settings: tuple[str, ...] = ()


Variant = Annotated[MethodVariant, BeforeValidator(_as_variant)]
"""In a file: a method's name, or its name and settings."""


class TableMapping(BaseModel):
    """The runs a table is measured by: what the command line of each says beside the method."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: str
    recipe: str
    settings: tuple[str, ...] = Field((), description="as --set takes them")
    tasks: dict[str, str] = Field({}, description="the sequence's name of a task where it is not "
                                                  "the table's")
    methods: dict[str, Variant | None] = Field({}, description="what stands for a method of this "
                                                               "table alone")
    additional_rows: dict[str, Variant] = Field({}, description="rows that the paper does not have")
    differs: str = Field("", description="what keeps the numbers from being compared with the "
                                         "paper's; differences are computed where it is empty")
    assumed: str = Field("", description="what the paper does not state and the differences take "
                                         "for granted")

    @property
    def name(self) -> str:
        """Sequence and recipe, as a reader of a table sees them."""
        return ", ".join([self.sequence, f"recipe {self.recipe}", *self.settings])


class _Entry(BaseModel):
    """A table of the paper; a sentence in place of runs is the reason why nothing is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    dataset: str = ""
    backbone: str = ""
    variant: str = ""
    measured: TableMapping | str
    embedded: TableMapping | str | None = Field(None, description="on data that are rendered on "
                                                                  "the spot; default: as measured")


class _File(BaseModel):
    """One file `results/paper/<paper>.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    citation: str
    methods: dict[str, Variant | None] = Field(description="the paper's name of a method -> what "
                                               "stands for it here; null: nothing does")
    tables: tuple[_Entry, ...]


@dataclass(frozen=True)
class PaperMapping:
    """What a paper's tables and methods are measured by."""

    citation: str
    methods: Mapping[str, MethodVariant | None]
    tables: Mapping[Key, TableMapping | str]
    """A string is the reason why nothing is measured."""
    tuned: bool = False
    """Whether methods run as tuned for the family, where they are, instead of by their defaults."""

    def of(self, key: Key) -> TableMapping | str:
        """The runs of a table, or why it has none. Raises `RequestError` where nothing says so."""
        if key not in self.tables:
            paper, *setting = key
            raise RequestError(f"results/paper/{paper}.yaml: tables: nothing says what "
                               f"{', '.join(filter(None, setting))} is measured by")
        return self.tables[key]

    def is_tuned(self, table: TableMapping) -> bool:
        """Whether the methods of a table run as tuned."""
        return self.tuned and find_sequence(table.sequence).family.tuned is not None


def load_mapping(paper: str, embedded: bool = False, tuned: bool = False) -> PaperMapping:
    """The mapping of a paper, on its data or on embedded ones.

    Raises `RequestError` naming file, line and key of what is wrong, and when `tuned` is given and
    no table is measured on a family with tuned settings.
    """
    path = shipped("results/paper") / f"{paper}.yaml"
    file = yaml_file.parse(_File, path)
    tables: dict[Key, TableMapping | str] = {}
    entries: dict[Key, int] = {}
    for index, entry in enumerate(file.tables):
        key = paper, entry.table, entry.dataset, entry.backbone, entry.variant
        if (before := entries.setdefault(key, index)) != index:
            raise RequestError(f"{path}: tables.{index}: the table of tables.{before} again")
        chosen = entry.embedded if embedded and entry.embedded is not None else entry.measured
        tables[key] = chosen
    found = PaperMapping(file.citation, file.methods, tables)
    if not tuned:
        return found
    found = replace(found, tuned=True)
    if not any(found.is_tuned(table) for table in tables.values()
               if isinstance(table, TableMapping)):
        raise RequestError("no table is measured on a family with tuned settings; leave --tuned "
                           "out, or take --embedded")
    return found
