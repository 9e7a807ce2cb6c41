"""The layouts of NYUv2: official MATLAB files, and the arrays of S. Liu's MTAN.

Layout official has the files of the data set's homepage, with normals given or computed. Layouts
mtan and hub have the frames' rows 53 to 466 and columns 44 to 595, as npy files or as a hub's
Parquet files, and normals in the channels of Eigen's PNG files; see docs/datasets/nyuv2.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.arrays import ArrayTask, hub_layout, mtan_layout
from benchmark.data.formats.reader import DatasetReader, Layout, Targets
from benchmark.data.sources.nyuv2.geometry import (
    MTAN_WINDOW,
    ORDER,
    RGB_CAMERA,
    Axes,
    Window,
    normals_from_depth,
    note_on_axes,
    signs,
)
from benchmark.data.sources.nyuv2.labelled import (
    FRAMES,
    MAPPING,
    SIZE,
    SPLIT_FILE,
    Frames,
    read_mapping,
    read_splits,
)
from benchmark.data.sources.nyuv2.normal_files import USUAL_NAMES, ZERO, NormalFiles, open_normals
from benchmark.data.sources.nyuv2.tasks import DEPTH, DEPTH_CODEC, NORMAL, SEMANTIC, semantic
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.errors import DataError
from benchmark.tasks.direction.spec import to_directions
from benchmark.tasks.stored import to_map

if TYPE_CHECKING:
    from benchmark.data.sources.nyuv2 import Config

WINDOWS: dict[str, Window] = {"mtan": MTAN_WINDOW, "none": (0, SIZE[0], 0, SIZE[1])}
"""The part of a frame that is kept. Frames have white borders: rows 44 to 470 and columns 40 to
600 are valid."""

COMPUTED = "computed from depth"
_OFFICIAL_ONLY = ("classes", "crop", "normals")


class NYUv2Reader(DatasetReader):
    """Reader of the frames of nyu_depth_v2_labeled.mat, cropped and resized."""

    def __init__(self, path: Path, config: Config) -> None:
        """Open the files. Raises `DataError` when one is missing, damaged or does not fit."""
        self._config, self._window = config, WINDOWS[config.crop]
        self._mapping = read_mapping(path.parent, config.classes)
        self._frames = Frames(path)
        try:
            self._splits = read_splits(path.parent, len(self._frames))
            self._normals = _find_normals(path.parent, config.normals)
            indices = [index for split in SPLITS for index in self._splits[split]]
            given = self._normals.inputs(indices) if self._normals else []
        except BaseException:
            self._frames.close()
            raise
        self.tasks = [semantic(config.classes), DEPTH, NORMAL]
        self.size = config.size
        self.codecs = {DEPTH.name: DEPTH_CODEC}
        self.names = {split: [f"{path.name}[{index}]" for index in self._splits[split]]
                      for split in SPLITS}
        self.inputs = [path, path.parent / SPLIT_FILE, path.parent / MAPPING, *given]
        self.marks = {} if self._normals else {"normals": COMPUTED}
        self.facts = {"window": list(self._window),
                      "normals": self._normals.path.name if self._normals else COMPUTED}

    def content_notes(self) -> list[str]:
        """Note when the given normals do not fit the depth."""
        camera = RGB_CAMERA.cropped(self._window, self.size)
        return list(note_on_axes(self, camera, self._config.normal_axes)) if self._normals else []

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return (self._targets(self._splits[split][row]) for row in rows)

    def _targets(self, index: int) -> Targets:
        frame = self._frames.read(index)
        depth = to_map(self._resized(frame.depth)[None])
        depth[depth <= 0] = np.nan
        return {IMAGE: decode.resize_image(self._crop(frame.image), self.size),
                SEMANTIC: self._mapping[self._resized(frame.label)],
                DEPTH.name: depth,
                NORMAL.name: self._given_normals(self._normals, index) if self._normals
                else self._resized(normals_from_depth(frame.depth, RGB_CAMERA))}

    def _given_normals(self, files: NormalFiles, index: int) -> NDArray[np.float32]:
        colours = self._resized(files.read(index))[list(ORDER)]
        return to_directions(files.path / f"normals/{index:04d}.png", colours, 1 / ZERO,
                                    -1.0, [ZERO] * 3, signs(self._config.normal_axes))

    def _crop(self, array: NDArray[Any]) -> NDArray[Any]:
        top, bottom, left, right = self._window
        return array[..., top:bottom, left:right]

    def _resized(self, label: NDArray[Any]) -> NDArray[Any]:
        return decode.resize_label(self._crop(label), self.size)

    def close(self) -> None:
        self._frames.close()
        if self._normals:
            self._normals.close()


def _find_normals(folder: Path, chosen: str | None) -> NormalFiles | None:
    if chosen is not None:
        return open_normals(folder / Path(chosen).expanduser())
    usual = next((folder / name for name in USUAL_NAMES if (folder / name).exists()), None)
    return open_normals(usual) if usual else None


def _find(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix == ".mat" else None
    return path / FRAMES if (path / FRAMES).is_file() else None


def _open(path: Path, config: Config) -> DatasetReader:
    return NYUv2Reader(path if path.is_file() else path / FRAMES, config)


OFFICIAL = Layout("official", f"{FRAMES}, {SPLIT_FILE}, {MAPPING} (and normals_gt, when you have "
                  "it)", _find, _open)


def _tasks(config: Config) -> Sequence[ArrayTask]:
    return (ArrayTask(semantic(13), ("label", "segmentation")),
            ArrayTask(DEPTH, ("depth",), codec=DEPTH_CODEC),
            ArrayTask(NORMAL, ("normal",), order=ORDER, axes=signs(config.normal_axes)))


class CheckedReader(DatasetReader):
    """Wrapper of a reader that also notes when its normals do not fit its depth."""

    def __init__(self, plain: DatasetReader, axes: Axes) -> None:
        self._plain, self._axes = plain, axes
        self.tasks, self.size, self.names = plain.tasks, plain.size, plain.names
        self.inputs, self.codecs = plain.inputs, plain.codecs
        self.marks, self.facts, self.notes = plain.marks, plain.facts, plain.notes

    def content_notes(self) -> list[str]:
        camera = RGB_CAMERA.cropped(MTAN_WINDOW, self.size)
        return list(note_on_axes(self, camera, self._axes))

    def units(self, split: Split) -> Sequence[range]:
        return self._plain.units(split)

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return self._plain.read(split, rows)

    def close(self) -> None:
        self._plain.close()


def _checked(plain: Layout) -> Layout:
    def open_checked(path: Path, config: Config) -> DatasetReader:
        for option in _OFFICIAL_ONLY:
            if (value := getattr(config, option)) != type(config).model_fields[option].default:
                raise DataError(f"{path} is a copy in the layout {plain.name}, which has 13 "
                                f"classes, a crop and normals of its own: {option}={value} is for "
                                "the layout official")
        return CheckedReader(plain.open(path, config), config.normal_axes)

    return Layout(plain.name, plain.about, plain.find, open_checked)


MTAN, HUB = _checked(mtan_layout(_tasks)), _checked(hub_layout(_tasks))
