"""Published numbers: `results/paper/*.csv`, read strictly, one line per cell of a paper's table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from benchmark.config.shipped import shipped
from benchmark.errors import RequestError, unknown

Key = tuple[str, str, str, str, str]
"""Paper, table, data set, backbone and variant: what tells one table of a paper from the others."""


def _flag(text: object) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _bare(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError("must not begin or end with a blank, nor hold control characters")
    return text


Bare = Annotated[str, BeforeValidator(_bare)]
Word = Annotated[Bare, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Published(BaseModel):
    """One cell: a number as the paper prints it, or that we do not know it.

    `dataset`, `backbone` and `variant` (an order, a teacher) are empty where the source does not
    say; `task` is `all` for scores over tasks; `baseline` is the method a score is relative to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    paper: Word
    table: Word
    dataset: Bare
    backbone: Bare
    variant: Bare
    method: Annotated[Bare, Field(min_length=1)]
    task: Word
    metric: Word
    unit: Bare
    value: str = Field(pattern=r"^(-?\d+(\.\d+)?)?$")
    higher_is_better: Annotated[bool, BeforeValidator(_flag)]
    baseline: Bare
    source: Annotated[Bare, Field(min_length=1)]
    status: Literal["published", "derived", "unknown"]
    """`derived`: computed by us from what the paper states, and equal to what it prints if it
    prints it."""

    @model_validator(mode="after")
    def _value_fits_status(self) -> Published:
        if (self.value == "") != (self.status == "unknown"):
            raise ValueError("value: must be empty exactly when status is unknown")
        return self

    @property
    def key(self) -> Key:
        return self.paper, self.table, self.dataset, self.backbone, self.variant

    @property
    def quantity(self) -> tuple[str, ...]:
        """What is measured: the column of a table this cell stands in."""
        return self.task, self.metric, self.unit, str(self.higher_is_better), self.baseline

    @property
    def number(self) -> float | None:
        return float(self.value) if self.value else None


COLUMNS = tuple(Published.model_fields)


def paper_names() -> list[str]:
    """The papers there are: each has its numbers in a CSV file and its mapping in a YAML file."""
    return sorted(file.stem for file in shipped("results/paper").glob("*.csv")
                  if file.with_suffix(".yaml").is_file())


def published_cells(paper: str) -> list[Published]:
    """The cells of a paper by its short name. Raises `RequestError` with the nearest names."""
    if paper not in paper_names():
        raise unknown("paper", paper, paper_names())
    return read_cells(shipped("results/paper") / f"{paper}.csv")


def read_cells(path: Path) -> list[Published]:
    """The cells of a file. Raises `RequestError` naming file, line and column.

    Every table must be complete: each of its methods has a line for each of its quantities, so
    that nothing is left out by being forgotten.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            if tuple(header) != COLUMNS:
                raise RequestError(f"{path}, line 1: the columns must be {','.join(COLUMNS)}")
            cells = [(lines.line_num, _cell(path, lines.line_num, line)) for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"{path} cannot be read: {error}") from None
    _check_complete(path, cells)
    return [cell for _, cell in cells]


def _cell(path: Path, number: int, line: Sequence[str]) -> Published:
    if len(line) != len(COLUMNS):
        raise RequestError(f"{path}, line {number}: {len(line)} columns instead of {len(COLUMNS)}")
    try:
        cell = Published.model_validate(dict(zip(COLUMNS, line, strict=True)))
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        column = f"column {first['loc'][0]}: " if first["loc"] else "column "
        raise RequestError(f"{path}, line {number}, {column}{message}") from None
    if cell.paper != path.stem:
        raise RequestError(f"{path}, line {number}, column paper: must be {path.stem}, "
                           "the name of the file")
    return cell


def _check_complete(path: Path, cells: Sequence[tuple[int, Published]]) -> None:
    seen: dict[tuple[Key, str, tuple[str, ...]], int] = {}
    for number, cell in cells:
        before = seen.setdefault((cell.key, cell.method, cell.quantity), number)
        if before != number:
            raise RequestError(f"{path}, line {number}: the cell of line {before} again")
    for key in {cell.key: None for _, cell in cells}:
        table = [(number, cell) for number, cell in cells if cell.key == key]
        for method in {cell.method: None for _, cell in table}:
            for number, other in table:
                if (key, method, other.quantity) not in seen:
                    raise RequestError(f"{path}, line {number}, column method: {method} has no "
                                       f"line for {other.task} {other.metric} of this table; "
                                       "add one, with status unknown if need be")
