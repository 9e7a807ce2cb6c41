"""Small copies of PASCAL_MT in its layout, filled with numbers that tests can compute."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from benchmark.data.sources.pascal_context.tasks import NORMALS_AT

TASKS = ("semseg", "human_parts", "sal", "normals", "edge")
TRAIN, VAL = ("2008_000033", "2008_000008"), ("2010_000002",)
SIZE = (7, 9)
NUMBERS = {"sky": 360, "person": 284, "wall": 440, "floor": 158, "grass": 187, "tvmonitor": 427,
           "air conditioner": 3, "unknown": 431, "wool": 459, "accordion": 1}
"""Some context classes with their official numbers."""

Parts = Sequence[tuple[str, NDArray[Any]]]
Objects = Sequence[tuple[int, Parts]]
"""The VOC category of every object, and the names and masks of its parts."""


def class_numbers() -> dict[str, int]:
    """459 context classes with their numbers: some as they are, the others in an order of ours."""
    rest = sorted(NORMALS_AT - NUMBERS.keys())
    rest += [f"thing {index}" for index in range(459 - len(rest) - len(NUMBERS))]
    free = sorted(set(range(1, 460)) - set(NUMBERS.values()))
    return NUMBERS | dict(zip(rest, free, strict=True))


def write_names(path: Path) -> None:
    """labels.txt, lines like `1: accordion`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = sorted((number, name) for name, number in class_numbers().items())
    path.write_text("".join(f"{number}: {name}\n" for number, name in lines))


def file(root: Path, task: str, name: str) -> Path:
    """Where the file of an image (task `image`) or of its label belongs."""
    folder, end = {"image": ("JPEGImages", "jpg"), "semseg": ("semseg/pascal-context", "png"),
                   "VOC12": ("semseg/VOC12", "png"), "human_parts": ("human_parts", "mat"),
                   "sal": ("sal_distill", "png"), "normals": ("normals_distill", "png"),
                   "edge": ("pascal-context/trainval", "mat")}[task]
    return root / folder / f"{name}.{end}"


def pixels(task: str, name: str, size: tuple[int, int] = SIZE) -> NDArray[Any]:
    """The stored numbers of an image or label, [H, W] or [H, W, 3]; for `edge` the context map."""
    numbers = np.random.default_rng(zlib.crc32(f"{task} {name}".encode()))
    if task == "image":
        return np.full((*size, 3), numbers.integers(0, 256, 3), np.uint8)
    if task == "semseg":
        return numbers.choice([*range(21), 255], size).astype(np.uint8)
    if task == "sal":
        return numbers.integers(0, 256, size).astype(np.uint8)
    if task == "normals":
        vectors = numbers.normal((0, 0, 2), size=(*size, 3))
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        return np.rint(127.5 + 127.5 * vectors).astype(np.uint8)
    return numbers.choice([0, *NUMBERS.values()], size).astype(np.uint16)


def box(size: tuple[int, int], rows: slice, columns: slice) -> NDArray[np.uint8]:
    """A mask of 1 inside some rows and columns."""
    mask = np.zeros(size, np.uint8)
    mask[rows, columns] = 1
    return mask


def some_objects(size: tuple[int, int] = SIZE) -> Objects:
    """A person whose head is one pixel of the first row, its torso the second row."""
    return [(15, [("torso", box(size, slice(1, 2), slice(None))),
                  ("hair", box(size, slice(0, 1), slice(0, 1)))])]


def write_png(path: Path, stored: NDArray[Any], palette: bool = False) -> None:
    """uint8 [H, W] or [H, W, 3] as a PNG of just that form, or as indices of a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(stored)
    if palette:
        image = image.convert("P")
        image.putdata(stored.ravel().tolist())
        image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    image.save(path)


def write_image(path: Path, stored: NDArray[np.uint8]) -> None:
    """A JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stored).save(path, quality=95)


def write_context(path: Path, labels: NDArray[Any]) -> None:
    """The context classes of an image, as pascal-context/trainval/<id>.mat holds them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"LabelMap": labels}, do_compression=True)


def write_parts(path: Path, objects: Objects, size: tuple[int, int] = SIZE) -> None:
    """anno -> objects -> parts, nested as in human_parts/<id>.mat; an object without parts has the
    empty matrix that MATLAB writes for []."""
    path.parent.mkdir(parents=True, exist_ok=True)
    records = []
    for category, parts in objects:
        fields = [(np.array(name), mask) for name, mask in parts]
        whole = np.max([mask for _, mask in parts], axis=0) if parts else np.ones(size, np.uint8)
        records.append(("some class", np.uint8([[category]]), whole,
                        _structs(("part_name", "mask"), fields) if parts else np.zeros((0, 0))))
    anno = [(path.stem, _structs(("class", "class_ind", "mask", "parts"), records))]
    savemat(path, {"anno": _structs(("imname", "objects"), anno)}, do_compression=True)


def _structs(names: Sequence[str], records: Sequence[tuple[Any, ...]]) -> NDArray[Any]:
    array = np.empty((1, len(records)), [(name, object) for name in names])
    for index, record in enumerate(records):
        array[0, index] = record
    return array


def write_pascal_mt(root: Path, train: Sequence[str] = TRAIN, val: Sequence[str] = VAL,
                    sizes: Mapping[str, tuple[int, int]] | None = None,
                    tasks: Sequence[str] = TASKS) -> None:
    """A copy with the given images, of `SIZE` where `sizes` does not say otherwise."""
    for split, names in (("train", train), ("val", val)):
        path = root / "ImageSets" / "Context" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in names))
        for name in names:
            size = (sizes or {}).get(name, SIZE)
            write_image(file(root, "image", name), pixels("image", name, size))
            for task in tasks:
                path = file(root, task, name)
                if task == "human_parts":
                    write_parts(path, some_objects(size), size)
                elif task == "edge":
                    write_context(path, pixels(task, name, size))
                else:
                    write_png(path, pixels(task, name, size))
    if "normals" in tasks:
        write_names(root / "pascal-context" / "labels.txt")
