"""Stored values of label files: how a user describes them, and how they become targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

from benchmark.errors import DataError
from benchmark.tasks.task import VOID

_UNMAPPED = VOID - 1
"""Marks stored values without a class; a task has at most VOID - 1 classes, so it is free."""

Signs = tuple[Literal[1, -1], Literal[1, -1], Literal[1, -1]]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (int, float)) else value


def _as_names(value: Any) -> Any:
    return [str(index) for index in range(min(value, VOID))] if isinstance(value, int) else value


class StoredValues(BaseModel):
    """What the values in the label files of a task mean; each kind takes some of the options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    encoding: Literal["index", "png8", "png16", "npy"]
    channels_first: bool = Field(False, description="npy holds [C, H, W] instead of [H, W, C]")
    classes: Annotated[tuple[str, ...], BeforeValidator(_as_names)] = Field(
        (), description="class names in the order of their indices, or their number")
    values: dict[int, int] = Field({}, description="class index of every value in the files; "
                                                   "without it the values are the indices")
    void: Annotated[tuple[int, ...], BeforeValidator(_as_list)] = Field(
        (), description="value or values of pixels that do not count")
    channels: int = Field(1, ge=1, le=1000, description="channels of a map")
    scale: FiniteFloat = Field(1.0, description="target = value * scale + offset")
    offset: FiniteFloat = 0.0
    invalid: Annotated[tuple[FiniteFloat, ...], BeforeValidator(_as_list)] = Field(
        (), description="values in the file without a measurement; one triple for directions")
    unit: str = ""
    quantity: str = Field("plain", description="depth and inverse_depth answer to zooming")
    axes: Signs = Field((1, 1, 1), description="signs that bring x, y, z to right, down, away "
                                               "from the camera")

    @property
    def given(self) -> set[str]:
        """The options that differ from their defaults, and those that have none."""
        return {name for name, field in type(self).model_fields.items()
                if field.is_required() or getattr(self, name) != field.default}


class FormError(DataError):
    """A label file is whole, but its values have another form than was expected."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        """What to change in the description of the files, if that mends it."""


def to_classes(path: Path, raw: NDArray[Any], classes: Mapping[int, int]) -> NDArray[np.uint8]:
    """Stored values [H, W] as class indices; `classes` maps every value allowed, also to VOID.

    Raises `FormError`, naming the file, for a value that is not in `classes`.
    """
    if raw.dtype == np.uint8:
        table = np.full(256, _UNMAPPED, np.uint8)
        for value, index in classes.items():
            if 0 <= value <= 255:
                table[value] = index
        result: NDArray[np.uint8] = table[raw]
    else:
        result = np.full(raw.shape, _UNMAPPED, np.uint8)
        for value, index in classes.items():
            result[raw == value] = index
    if (unmapped := result == _UNMAPPED).any():
        row, column = np.unravel_index(int(unmapped.argmax()), raw.shape)
        values = sorted(classes)
        listed = ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
        raise FormError(f"{path} has the value {int(raw[row, column])} at row {row}, column "
                        f"{column}, which is no class; allowed are {listed}",
                        "add it to values or to void")
    return result


def to_map(raw: NDArray[Any], scale: float = 1.0, offset: float = 0.0,
           invalid: Sequence[float] = ()) -> NDArray[np.float32]:
    """Stored values [C, H, W] as value * scale + offset, float32; NaN where `invalid`.

    `invalid` are stored values. What is not finite, in the file or after scaling, is NaN too.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        result = (raw.astype(np.float64) * scale + offset).astype(np.float32)
    bad = ~np.isfinite(result)
    for value in invalid:
        bad |= raw == value
    result[bad] = np.nan
    return result
