"""The images a copy lists and the paths of their label files; only the list files are read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.data.formats import decode
from benchmark.data.sources.pascal_context.tasks import EDGE, HUMAN_PARTS, NORMALS, SAL, SEMSEG
from benchmark.data.store.files import SPLITS, Split
from benchmark.errors import DataError

LISTS: Mapping[Split, str] = {"train": "ImageSets/Context/train.txt",
                              "eval": "ImageSets/Context/val.txt"}
IMAGES = "JPEGImages"
CONTEXT = "pascal-context/trainval"

_LABELS = {
    SEMSEG.name: (("semseg/VOC12", ".png"), ("semseg/pascal-context", ".png")),
    HUMAN_PARTS.name: (("human_parts", ".mat"),),
    SAL.name: (("sal_distill", ".png"),),
    NORMALS.name: (("normals_distill", ".png"),),
    EDGE.name: ((CONTEXT, ".mat"),),
}
"""Folders and endings of every task's files; the first folder that has a file is used."""

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class CopyFiles:
    """The files of a copy."""

    ids: Mapping[Split, Sequence[str]]
    """Names of the images in the order of the list files."""
    images: Mapping[str, Path]
    labels: Mapping[str, Mapping[str, Path]]
    """Task -> image -> file, for the tasks that have files."""


def find_copy_files(root: Path) -> CopyFiles:
    """Read the list files, and find the image and label files of every name in them.

    A task without any file is left out. Raises `DataError`, naming the file, when an image or the
    label of one image is missing, or a list file is damaged.
    """
    ids: dict[Split, list[str]] = {}
    seen: dict[str, str] = {}
    for split in SPLITS:
        ids[split] = _read_list(root / LISTS[split], seen)
    images = _find(root, list(seen), [(IMAGES, ".jpg")])
    if gone := [name for name in seen if name not in images]:
        raise DataError(f"{root / IMAGES / gone[0]}.jpg is missing, {seen[gone[0]]} names it; "
                        "unpack the archive again")
    labels = {}
    for task, folders in _LABELS.items():
        if found := _find(root, list(seen), folders):
            if gone := [name for name in seen if name not in found]:
                paths = " or ".join(f"{root / folder / gone[0]}{end}" for folder, end in folders)
                raise DataError(f"{paths} is missing, the label of {images[gone[0]]} for task "
                                f"'{task}'; copy it, or move {folders[0][0].split('/')[0]} away "
                                "to do without the task")
            labels[task] = found
    if not labels:
        raise DataError(f"{root} has images but no labels; there is no file of them in "
                        f"{', '.join(folder for each in _LABELS.values() for folder, _ in each)}")
    return CopyFiles(ids, images, labels)


def _read_list(path: Path, seen: dict[str, str]) -> list[str]:
    """Read the names in a list file; `seen` collects the line of each name over all list files."""
    try:
        lines = decode.read_bytes(path).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path} is no list of names; unpack the archive again") from None
    if not lines:
        raise DataError(f"{path} names no image; unpack the archive again")
    names = []
    for number, line in enumerate(lines, 1):
        name, where = line.rstrip(), f"{path}, line {number}"
        if not _PLAIN.fullmatch(name):
            raise DataError(f"{where}: {name!r} is not the plain name of an image, such as "
                            "2008_000008")
        if name in seen:
            raise DataError(f"{where}: {name} stands there for the second time, first in "
                            f"{seen[name]}; take one of them out")
        seen[name] = where
        names.append(name)
    return names


def _find(root: Path, names: Sequence[str],
          folders: Sequence[tuple[str, str]]) -> dict[str, Path]:
    """The file of every name that has one, in the first folder that has it."""
    found: dict[str, Path] = {}
    for folder, end in folders:
        there = _listing(root / folder)
        found |= {name: root / folder / f"{name}{end}" for name in names
                  if name not in found and f"{name}{end}" in there}
    return found


def _listing(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None
