"""Layouts mtan and hub: the arrays of S. Liu's MTAN, as npy files or as the hub's Parquet files.

Their frames are rows 53 to 466 and columns 44 to 595 of the official ones, and their normals have
the channels of Eigen's PNG files; see docs/datasets/nyuv2.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data.formats.arrays import ArrayTask, hub_layout, mtan_layout
from benchmark.data.formats.reading import Layout, Reading, Targets
from benchmark.data.sources.nyuv2.classes import DEPTH, DEPTH_CODEC, NORMAL, semantic
from benchmark.data.sources.nyuv2.frame import ORDER, Axes, note_on_axes, signs
from benchmark.data.sources.nyuv2.geometry import MTAN_WINDOW, RGB_CAMERA
from benchmark.data.store.files import Split
from benchmark.errors import DataError

if TYPE_CHECKING:
    from benchmark.data.sources.nyuv2 import Config

_OFFICIAL_ONLY = ("classes", "crop", "normals")


def _tasks(config: Config) -> Sequence[ArrayTask]:
    return (ArrayTask(semantic(13), ("label", "segmentation")),
            ArrayTask(DEPTH, ("depth",), codec=DEPTH_CODEC),
            ArrayTask(NORMAL, ("normal",), order=ORDER, axes=signs(config.normal_axes)))


class CheckedReading(Reading):
    """A reading that also notes whether its normals fit its depth."""

    def __init__(self, plain: Reading, axes: Axes) -> None:
        self._plain, self._axes = plain, axes
        self.tasks, self.size, self.names = plain.tasks, plain.size, plain.names
        self.inputs, self.codecs = plain.inputs, plain.codecs
        self.marks, self.facts = plain.marks, plain.facts

    @cached_property
    def notes(self) -> Sequence[str]:  # type: ignore[override]
        """Known when the images can be read."""
        camera = RGB_CAMERA.seeing(MTAN_WINDOW, self.size)
        return [*self._plain.notes, *note_on_axes(self, camera, self._axes)]

    def units(self, split: Split) -> Sequence[range]:
        return self._plain.units(split)

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return self._plain.read(split, rows)

    def close(self) -> None:
        self._plain.close()


def _checked(plain: Layout) -> Layout:
    def open_checked(path: Path, config: Config) -> Reading:
        for option in _OFFICIAL_ONLY:
            if (value := getattr(config, option)) != type(config).model_fields[option].default:
                raise DataError(f"{path} is a copy in the layout {plain.name}, which has 13 "
                                f"classes, a crop and normals of its own: {option}={value} is for "
                                "the layout official")
        return CheckedReading(plain.open(path, config), config.normal_axes)

    return Layout(plain.name, plain.about, plain.find, open_checked)


MTAN, HUB = _checked(mtan_layout(_tasks)), _checked(hub_layout(_tasks))
