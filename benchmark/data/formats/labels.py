"""Label files of one task: how they are described, checked and made into targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveInt,
    model_validator,
)

from benchmark.data.formats import decode
from benchmark.data.formats.matching import Glob
from benchmark.errors import DataError
from benchmark.tasks import VOID, KindName, Task
from benchmark.tasks.task import Encoding

_ENCODINGS = {"segmentation": ("index", "npy"), "binary": ("index", "npy"),
              "regression": ("png8", "png16", "npy"), "direction": ("png8", "npy")}
_OPTIONS = {"segmentation": {"classes", "values", "void"}, "binary": {"values", "void"},
            "regression": {"channels", "scale", "offset", "invalid", "unit", "quantity"},
            "direction": {"scale", "offset", "invalid", "axes"}}
_FOR_ALL = {"kind", "files", "encoding"}


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (int, float)) else value


def _as_names(value: Any) -> Any:
    return [str(index) for index in range(min(value, VOID))] if isinstance(value, int) else value


class LabelFiles(BaseModel):
    """How the label files of one task are found and decoded (an entry of `tasks:`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: KindName
    files: Glob
    encoding: Literal["index", "png8", "png16", "npy"]
    channels_first: bool = Field(False, description="npy holds [C, H, W] instead of [H, W, C]")
    classes: Annotated[tuple[str, ...], BeforeValidator(_as_names)] = Field(
        (), description="class names in the order of their indices, or their number")
    values: dict[int, int] = Field({}, description="class index of every value in the files; "
                                                   "without it the values are the indices")
    void: Annotated[tuple[int, ...], BeforeValidator(_as_list)] = Field(
        (), description="value or values of pixels that do not count")
    channels: PositiveInt = Field(1, description="channels of a regression map")
    scale: FiniteFloat = Field(1.0, description="target = value * scale + offset")
    offset: FiniteFloat = 0.0
    invalid: Annotated[tuple[FiniteFloat, ...], BeforeValidator(_as_list)] = Field(
        (), description="values in the file without a measurement; one triple for directions")
    unit: str = ""
    quantity: Encoding = Field("plain", description="depth and inverse_depth answer to zooming")
    axes: tuple[Literal[1, -1], Literal[1, -1], Literal[1, -1]] = Field(
        (1, 1, 1), description="signs that bring x, y, z to right, down, away from the camera")

    @model_validator(mode="after")
    def _fits_kind(self) -> LabelFiles:
        allowed = _FOR_ALL | _OPTIONS[self.kind] | (
            {"channels_first"} if self.encoding == "npy" else set())
        if extra := sorted(self.model_fields_set - allowed):
            raise ValueError(f"{extra[0]} means nothing for {self.kind} in {self.encoding}; there "
                             f"are {', '.join(sorted(allowed))}")
        if self.encoding not in _ENCODINGS[self.kind]:
            raise ValueError(f"{self.kind} is encoded as {' or '.join(_ENCODINGS[self.kind])}, "
                             f"not {self.encoding}")
        if self.kind == "direction" and len(self.invalid) not in (0, 3):
            raise ValueError("invalid of a direction is one triple, such as [0, 0, 0]")
        if self.encoding == "png8" and self.channels not in (1, 3):
            raise ValueError("a png8 map has 1 or 3 channels; use npy files for others")
        if self.encoding == "png16" and self.channels != 1:
            raise ValueError("a png16 map has 1 channel; use npy files for others")
        if self.kind in ("segmentation", "binary"):
            self._check_values()
        return self

    def _check_values(self) -> None:
        if self.kind == "segmentation" and not 2 <= len(self.classes) < VOID:
            raise ValueError(f"a segmentation needs classes: 2 to {VOID - 1} names, or "
                             "their number")
        for value, index in self.values.items():
            if not 0 <= index < self.class_count:
                raise ValueError(f"values: {value} is given class {index}, the classes are 0 to "
                                 f"{self.class_count - 1}; pixels without a class belong to void")
        if twice := set(self.void) & set(self.classes_by_value):
            raise ValueError(f"void: {min(twice)} is the value of a class too")
        for value in {*self.values, *self.void}:
            if self.encoding == "index" and not 0 <= value <= 255:
                raise ValueError(f"{value} does not occur in files of 8 bits")

    @property
    def class_count(self) -> int:
        return 2 if self.kind == "binary" else len(self.classes)

    @property
    def classes_by_value(self) -> dict[int, int]:
        """Class index of every value that is not void."""
        return self.values or {index: index for index in range(self.class_count)}

    def task(self, name: str) -> Task:
        """The task these files are labels of."""
        channels = {"segmentation": self.class_count, "direction": 3}.get(self.kind, self.channels)
        return Task(name=name, kind=self.kind, channels=channels, encoding=self.quantity,
                    unit=self.unit, classes=self.classes)

    def read(self, path: Path, image: Path, size: decode.Size) -> NDArray[Any]:
        """The target in `path`, [H, W] or [C, H, W]; `size` is the size of its image.

        Raises `DataError` when the file cannot be read or does not fit.
        """
        try:
            return self._read(path, image, size)
        except decode.FormError as error:
            raise DataError(f"{error}; {self._mend(error)}") from None

    def _mend(self, error: decode.FormError) -> str:
        """What to write in the description for files of another form."""
        if error.bits:
            return f"write encoding: png{error.bits}, with the scale that goes with it"
        if "is no class" in str(error):
            return "add it to values or to void"
        if self.kind == "direction" and "median length" in str(error):
            return "check scale and offset (8-bit colours: scale 0.0078431373, offset -1)"
        if self.encoding == "npy":
            return "see the options channels and channels_first"
        return "save it so, or use npy files"

    def _read(self, path: Path, image: Path, size: decode.Size) -> NDArray[Any]:
        raw = self._read_values(path)
        decode.check_size(path, raw, image, size)
        if self.kind in ("segmentation", "binary"):
            void = dict.fromkeys(self.void, VOID)
            return decode.to_classes(path, raw, self.classes_by_value | void)
        if self.kind == "direction":
            return decode.to_directions(path, raw, self.scale, self.offset, self.invalid, self.axes)
        target = decode.to_map(raw, self.scale, self.offset, self.invalid)
        if self.quantity != "plain" and (wrong := target <= 0).any():
            channel, row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
            raise DataError(f"{path}: the {self.quantity} at row {row}, column {column} is "
                            f"{target[channel, row, column]:g}, it must be above 0; name the value "
                            "of pixels without a measurement, such as invalid: 0")
        return target

    def _read_values(self, path: Path) -> NDArray[Any]:
        if self.encoding == "index":
            return decode.read_index(path)
        channels = 3 if self.kind == "direction" else self.channels
        if self.encoding != "npy":
            return decode.read_png(path, 8 if self.encoding == "png8" else 16, channels)
        maps = self.kind in ("regression", "direction")
        return decode.read_npy(path, channels if maps else None, self.channels_first)
