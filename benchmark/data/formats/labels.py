"""Label files of one task: how they are described, checked and made into targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import field_validator, model_validator

from benchmark.data.formats import decode
from benchmark.data.formats.matching import Glob
from benchmark.errors import DataError
from benchmark.tasks import Task
from benchmark.tasks.registry import UnknownKind, find_kind
from benchmark.tasks.stored import FormError, StoredValues

_FOR_ALL = {"kind", "files", "encoding"}


class LabelFiles(StoredValues):
    """How the label files of one task are found and decoded (an entry of `tasks:`)."""

    files: Glob

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        try:
            return find_kind(kind).name
        except UnknownKind as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _fits_kind(self) -> LabelFiles:
        spec = find_kind(self.kind).spec
        allowed = _FOR_ALL | spec.file_options | (
            {"channels_first"} if self.encoding == "npy" else set())
        if extra := sorted(self.given - allowed):
            raise ValueError(f"{extra[0]} means nothing for {self.kind} in {self.encoding}; there "
                             f"are {', '.join(sorted(allowed))}")
        spec.check_files(self)
        return self

    def task(self, name: str) -> Task:
        """The task these files are labels of."""
        channels = find_kind(self.kind).spec.task_channels(self)
        return Task(name=name, kind=self.kind, channels=channels, encoding=self.quantity,
                    unit=self.unit, classes=self.classes)

    def read(self, path: Path, image: Path, size: decode.Size) -> NDArray[Any]:
        """The target in `path`, [H, W] or [C, H, W]; `size` is the size of its image.

        Raises `DataError` when the file cannot be read or does not fit.
        """
        spec = find_kind(self.kind).spec
        try:
            raw = self._read_values(path, spec.file_channels(self))
            decode.check_size(path, raw, image, size)
            return spec.target(path, raw, self)
        except FormError as error:
            usual = ("see the options channels and channels_first" if self.encoding == "npy"
                     else "save it so, or use npy files")
            raise DataError(f"{error}; {error.hint or usual}") from None

    def _read_values(self, path: Path, channels: int | None) -> NDArray[Any]:
        if self.encoding == "npy":
            return decode.read_npy(path, channels, self.channels_first)
        if channels is None:
            return decode.read_index(path)
        return decode.read_png(path, 8 if self.encoding == "png8" else 16, channels)
