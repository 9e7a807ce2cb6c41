"""The layouts of Cityscapes: official PNG files, and arrays with classes instead of ids.

Layout official has the PNG files as the archives of the data set's homepage unpack them:

    leftImg8bit/train/<city>/<city>_<seq>_<frame>_leftImg8bit.png
    gtFine/train/<city>/<city>_<seq>_<frame>_gtFine_labelIds.png     8-bit ids
    disparity/train/<city>/<city>_<seq>_<frame>_disparity.png        16 bits

Layouts mtan and hub have disparities divided by 65535.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.arrays import ArrayTask, hub_layout, mtan_layout
from benchmark.data.formats.reader import DatasetReader, Layout, Targets
from benchmark.data.sources.cityscapes.tasks import (
    CLASS_OF_ID,
    CODECS,
    IDS,
    NO_ID,
    SEMANTIC,
    SEMANTIC19,
    depth,
)
from benchmark.data.store.codec import LARGEST
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.errors import DataError

if TYPE_CHECKING:
    from benchmark.data.sources.cityscapes import Config

_IMAGES, _LABELS, _DISPARITY = "leftImg8bit", "gtFine", "disparity"
_ENDINGS = {_IMAGES: "_leftImg8bit.png", _LABELS: "_gtFine_labelIds.png",
            _DISPARITY: "_disparity.png"}
_PARTS: dict[Split, str] = {"train": "train", "eval": "val"}


class _Frame(NamedTuple):
    """One photograph; frames sort by city, then by sequence and frame."""

    city: str
    stem: str


class CityscapesReader(DatasetReader):
    """Reader of the photographs of both splits and of the label files that exist."""

    def __init__(self, root: Path, config: Config) -> None:
        """List the files. Raises `DataError` when an image or a label is missing."""
        self._root, self.size = root, config.size
        self._frames = {split: _frames(root, _IMAGES, split) for split in SPLITS}
        for split, frames in self._frames.items():
            if not frames:
                raise DataError(f"{root / _IMAGES / _PARTS[split]} has no image "
                                f"<city>/*{_ENDINGS[_IMAGES]}; unpack the archive of the images "
                                "again")
        self._codec = CODECS[config.disparity]
        self.notes = []
        self._labels, self._disparity = self._has(_LABELS), self._has(_DISPARITY)
        self.tasks = [*([SEMANTIC, SEMANTIC19] if self._labels else []),
                      *([depth(config.disparity)] if self._disparity else [])]
        if not self.tasks:
            raise DataError(f"{root} has images but no labels; there is neither "
                            f"{_LABELS} nor {_DISPARITY} next to {_IMAGES}")
        self.codecs = {"depth": self._codec} if self._disparity else {}
        kinds = [_IMAGES, *([_LABELS] if self._labels else []),
                 *([_DISPARITY] if self._disparity else [])]
        self.names = {split: [self._name(_IMAGES, split, frame) for frame in frames]
                      for split, frames in self._frames.items()}
        self.inputs = [self._path(kind, split, frame) for split in SPLITS
                       for frame in self._frames[split] for kind in kinds]
        self._first = self.inputs[0]
        height, width = decode.read_image(self._first).shape[1:]
        self._file_size = (height, width)
        self.facts = {"size": [height, width]}

    def _name(self, kind: str, split: Split, frame: _Frame) -> str:
        return f"{kind}/{_PARTS[split]}/{frame.city}/{frame.stem}{_ENDINGS[kind]}"

    def _path(self, kind: str, split: Split, frame: _Frame) -> Path:
        return self._root / self._name(kind, split, frame)

    def _has(self, kind: str) -> bool:
        """Whether there are labels of a kind. Raises `DataError` if only some images have one."""
        found = {split: _frames(self._root, kind, split) for split in SPLITS}
        if not any(found.values()):
            return False
        for split in SPLITS:
            labelled, images = set(found[split]), set(self._frames[split])
            for frame in self._frames[split]:
                if frame not in labelled:
                    raise DataError(f"{self._path(kind, split, frame)} is missing, the label of "
                                    f"{self._name(_IMAGES, split, frame)}; unpack the archive "
                                    f"again, or move {kind} away to do without its tasks")
            if left := sorted(labelled - images):
                self.notes = [*self.notes, f"{kind}: {len(left)} {split} label files without an "
                              f"image are not used, the first is of {left[0].stem}"]
        return True

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return (self._targets(split, self._frames[split][row]) for row in rows)

    def _targets(self, split: Split, frame: _Frame) -> Targets:
        path = self._path(_IMAGES, split, frame)
        image = decode.read_image(path)
        if image.shape[1:] != self._file_size:
            raise DataError("{} is {} x {}, {} is {} x {} (height x width); all images have one "
                            "size: copy them again".format(
                                path, *image.shape[1:], self._first, *self._file_size))
        result: dict[str, NDArray[Any]] = {IMAGE: decode.resize_image(image, self.size)}
        if self._labels:
            ids = self._resized(_read_ids(label := self._path(_LABELS, split, frame)), label, path)
            result |= {task: table[ids] for task, table in CLASS_OF_ID.items()}
        if self._disparity:
            raw = decode.read_png(label := self._path(_DISPARITY, split, frame), 16, 1)
            result["depth"] = self._codec.decode(self._resized(raw, label, path))
        return result

    def _resized(self, raw: NDArray[Any], label: Path, image: Path) -> NDArray[Any]:
        decode.check_size(label, raw, image, self._file_size)
        return decode.resize_label(raw, self.size)


def _read_ids(path: Path) -> NDArray[np.uint8]:
    """Read a labelIds file, [H, W]. Raises `DataError` for an id that does not exist."""
    ids = decode.read_index(path)
    if (wrong := (ids >= IDS) & (ids != NO_ID)).any():
        row, column = np.unravel_index(int(wrong.argmax()), ids.shape)
        raise DataError(f"{path} has the id {ids[row, column]} at row {row}, column {column}; ids "
                        f"are 0 to {IDS - 1}: this is no labelIds file of Cityscapes, or damaged")
    return ids


def _frames(root: Path, kind: str, split: Split) -> list[_Frame]:
    """The frames that have a file of a kind, in order."""
    folder, ending = root / kind / _PARTS[split], _ENDINGS[kind]
    return [_Frame(city, name.removesuffix(ending)) for city in sorted(_list(folder, folders=True))
            for name in sorted(_list(folder / city)) if name.endswith(ending)]


def _list(folder: Path, folders: bool = False) -> list[str]:
    """Names of the files (or folders) in a folder, hidden ones left out; empty without folder."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir() == folders
                    and not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None


def _find(path: Path) -> Path | None:
    folder = path / _IMAGES / _PARTS["train"]
    return folder if folder.is_dir() else None


OFFICIAL = Layout("official", "leftImg8bit/train/<city>/..._leftImg8bit.png, gtFine/..., "
                  "disparity/... (the archives of the homepage)", _find, CityscapesReader)


def _tasks(seven: tuple[str, ...], nineteen: str, config: Config) -> list[ArrayTask]:
    codec = CODECS[config.disparity]
    return [
        ArrayTask(SEMANTIC, seven, hint=f"if these are 19 classes, rename it {nineteen}"),
        ArrayTask(SEMANTIC19, (nineteen,)),
        ArrayTask(depth(config.disparity), ("depth",), codec=codec, scale=codec.scale * LARGEST,
                  offset=codec.offset, limits=(0.0, 1.0),
                  hint="such a copy has the official 16-bit disparities divided by 65535")]


MTAN = mtan_layout(partial(_tasks, ("label_7", "label"), "label_19"))
HUB = hub_layout(partial(_tasks, ("segmentation",), "segmentation_19"))
