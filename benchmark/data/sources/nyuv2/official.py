"""Layout official: the MATLAB files of the data set's homepage, with normals given or computed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.reading import Layout, Reading, Targets
from benchmark.data.sources.nyuv2.classes import DEPTH, DEPTH_CODEC, NORMAL, SEMANTIC, semantic
from benchmark.data.sources.nyuv2.frame import ORDER, note_on_axes, signs
from benchmark.data.sources.nyuv2.geometry import (
    MTAN_WINDOW,
    RGB_CAMERA,
    Window,
    normals_from_depth,
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
from benchmark.data.sources.nyuv2.normals import NOTHING, USUAL, NormalFiles, open_normals
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.tasks.direction.spec import to_directions
from benchmark.tasks.stored import to_map

if TYPE_CHECKING:
    from benchmark.data.sources.nyuv2 import Config

WINDOWS: dict[str, Window] = {"mtan": MTAN_WINDOW, "none": (0, SIZE[0], 0, SIZE[1])}
"""What is kept of a frame. The frames have white borders: rows 44 to 470 and columns 40 to 600
are valid."""

COMPUTED = "computed from depth"


class OfficialReading(Reading):
    """The frames of nyu_depth_v2_labeled.mat, cut and resized."""

    def __init__(self, path: Path, config: Config) -> None:
        """Raises `DataError` when a file is missing, damaged or does not fit."""
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

    @cached_property
    def notes(self) -> list[str]:  # type: ignore[override]
        """Whether the given normals fit the depth."""
        camera = RGB_CAMERA.seeing(self._window, self.size)
        return list(note_on_axes(self, camera, self._config.normal_axes)) if self._normals else []

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return (self._targets(self._splits[split][row]) for row in rows)

    def _targets(self, index: int) -> Targets:
        frame = self._frames.read(index)
        depth = to_map(self._resized(frame.depth)[None])
        depth[depth <= 0] = np.nan
        return {IMAGE: decode.resize_image(self._cut(frame.image), self.size),
                SEMANTIC: self._mapping[self._resized(frame.label)],
                DEPTH.name: depth,
                NORMAL.name: self._given(self._normals, index) if self._normals
                else self._resized(normals_from_depth(frame.depth, RGB_CAMERA))}

    def _given(self, files: NormalFiles, index: int) -> NDArray[np.float32]:
        colours = self._resized(files.read(index))[list(ORDER)]
        return to_directions(files.path / f"normals/{index:04d}.png", colours, 1 / NOTHING,
                                    -1.0, [NOTHING] * 3, signs(self._config.normal_axes))

    def _cut(self, array: NDArray[Any]) -> NDArray[Any]:
        top, bottom, left, right = self._window
        return array[..., top:bottom, left:right]

    def _resized(self, label: NDArray[Any]) -> NDArray[Any]:
        return decode.resize_label(self._cut(label), self.size)

    def close(self) -> None:
        self._frames.close()
        if self._normals:
            self._normals.close()


def _find_normals(folder: Path, chosen: str | None) -> NormalFiles | None:
    if chosen is not None:
        return open_normals(folder / Path(chosen).expanduser())
    usual = next((folder / name for name in USUAL if (folder / name).exists()), None)
    return open_normals(usual) if usual else None


def _find(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix == ".mat" else None
    return path / FRAMES if (path / FRAMES).is_file() else None


def _open(path: Path, config: Config) -> Reading:
    return OfficialReading(path if path.is_file() else path / FRAMES, config)


OFFICIAL = Layout("official", f"{FRAMES}, {SPLIT_FILE}, {MAPPING} (and normals_gt, when you have "
                  "it)", _find, _open)
