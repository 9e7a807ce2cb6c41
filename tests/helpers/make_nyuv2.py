"""Small copies of NYUv2 in its layouts, filled with numbers that tests can compute."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

TRAIN, TEST = (1, 4), (3,)
"""Frames of either split, from 0; frames 0 and 2 are in neither."""
LABELS = (1, 2, 0, 3, 894, 5, 80, 83, 89, 4, 11, 21, 333)
FX, FY, CX, CY = 518.857901, 519.469611, 324.582449, 252.736166


@dataclass
class Official:
    """What was written, channels last; rows and columns as in a picture."""

    images: NDArray[np.uint8]
    depths: NDArray[np.float32]
    labels: NDArray[np.uint16]
    forty: NDArray[np.uint8]
    """Class 1 to 40 of the labels 1 to 894."""
    facing: NDArray[np.float64]
    """[frames, 3]: the normal of each frame, which is one plane: x right, y down, z away."""


def plane(normal: NDArray[np.float64], rows: Any, columns: Any) -> NDArray[np.float64]:
    """Depth of the plane with this normal that is 2 m in front of the camera; the pixels are
    those of the official frames, from 0."""
    x = (np.asarray(columns, float)[None, :] - CX) / FX
    y = (np.asarray(rows, float)[:, None] - CY) / FY
    return 2 * normal[2] / (normal[0] * x + normal[1] * y + normal[2])


def facing(frames: int) -> NDArray[np.float64]:
    """A normal towards the camera for each frame."""
    numbers = np.random.default_rng(7)
    found = np.column_stack([numbers.uniform(-0.5, 0.5, (frames, 2)), np.full(frames, -1.0)])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def write_official(root: Path, frames: int = 5, train: Sequence[int] = TRAIN,
                   test: Sequence[int] = TEST) -> Official:
    """nyu_depth_v2_labeled.mat, splits.mat and classMapping40.mat with the keys, axes, types and
    counting from 1 of the real ones."""
    root.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:480, :640]
    images = np.stack([np.stack([rows // 2, columns // 3, (rows + 2 * columns + 40 * k) % 200], -1)
                       for k in range(frames)]).astype(np.uint8)
    normals = facing(frames)
    depths = np.stack([plane(normal, range(480), range(640)) for normal in normals])
    labels = np.stack([np.array(LABELS)[(rows // 30 * 5 + columns // 50 + k) % len(LABELS)]
                       for k in range(frames)])
    forty = np.arange(894) % 40 + 1
    made = Official(images, depths.astype(np.float32), labels.astype(np.uint16),
                    forty.astype(np.uint8), normals)
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        for key, array in (("images", images.transpose(0, 3, 2, 1)),
                           ("depths", made.depths.transpose(0, 2, 1)),
                           ("labels", made.labels.transpose(0, 2, 1))):
            file.create_dataset(key, data=array, chunks=(1, *array.shape[1:]), compression="gzip",
                                compression_opts=1)
    write_splits(root, np.array(train) + 1, np.array(test) + 1)
    write_mapping(root, made.forty)
    return made


def write_splits(root: Path, train: Any, test: Any) -> None:
    """splits.mat; frames count from 1."""
    savemat(root / "splits.mat", {"trainNdxs": np.asarray(train, np.uint16)[:, None],
                                  "testNdxs": np.asarray(test, np.uint16)[:, None]})


def write_mapping(root: Path, forty: Any) -> None:
    """classMapping40.mat."""
    savemat(root / "classMapping40.mat", {"mapClass": np.asarray(forty)[None]})


def eigen_files(normals: NDArray[np.float64], masks: NDArray[np.bool_]) -> dict[str, bytes]:
    """Normals [frames, 480, 640, 3] (x right, y down, z away) as the PNG files of normals_gt."""
    files = {}
    for index, (normal, mask) in enumerate(zip(normals, masks, strict=True)):
        stored = normal[..., [0, 2, 1]] * [1, 1, -1]
        files[f"normals_gt/normals/{index:04d}.png"] = png(
            np.round(127 + 127 * stored).astype(np.uint8))
        files[f"normals_gt/masks/{index:04d}.png"] = png(np.where(mask, 255, 0).astype(np.uint8))
    return files


def png(pixels: NDArray[Any]) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    """The files below `root`; returns the folder normals_gt."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root / "normals_gt"


def write_tgz(path: Path, files: dict[str, bytes], links: Sequence[str] = ()) -> Path:
    """A gzipped tar archive, with symbolic links to /etc/hostname under the names `links`."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for name in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
            archive.addfile(member)
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """A zip archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@dataclass
class Mtan:
    """What was written of a split, channels last."""

    images: NDArray[np.float64]
    labels: NDArray[np.float32]
    depths: NDArray[np.float32]
    normals: NDArray[np.float64]
    """x right, y down, z away; the files hold x, z, -y."""


def mtan_split(images: int, size: tuple[int, int], seed: int) -> Mtan:
    """Planes as the copies of MTAN show them; depth and normals are 0 in the left eighth."""
    numbers = np.random.default_rng(seed)
    height, width = size
    rows = np.round(np.linspace(53, 466, height))
    columns = np.round(np.linspace(44, 595, width))
    directions = facing(images)
    depths = np.stack([plane(normal, rows, columns) for normal in directions])[..., None]
    normals = np.broadcast_to(directions[:, None, None], (images, *size, 3)).copy()
    depths[:, :, :width // 8] = 0
    normals[:, :, :width // 8] = 0
    return Mtan(numbers.integers(0, 256, (images, *size, 3)) / 255,
                numbers.integers(-1, 13, (images, *size)).astype(np.float32),
                depths.astype(np.float32), normals)


def write_mtan(root: Path, train: int = 3, val: int = 2, size: tuple[int, int] = (36, 48),
               ) -> dict[str, Mtan]:
    """{train,val}/{image,label,depth,normal}/0.npy ... with the axes and types of MTAN's files."""
    made = {"train": mtan_split(train, size, 0), "val": mtan_split(val, size, 1)}
    for split, part in made.items():
        stored = part.normals[..., [0, 2, 1]] * [1, 1, -1]
        for task, array in (("image", part.images), ("label", part.labels),
                            ("depth", part.depths), ("normal", stored)):
            folder = root / split / task
            folder.mkdir(parents=True, exist_ok=True)
            for number, values in enumerate(array):
                np.save(folder / f"{number}.npy", values)
    return made


def write_hub(root: Path, train: int = 3, val: int = 2, size: tuple[int, int] = (36, 48),
              ) -> dict[str, Mtan]:
    """data/{train,val}-00000-of-00001.parquet with the columns of the hub's copy; channels
    first."""
    import pyarrow
    from pyarrow import parquet

    made = {"train": mtan_split(train, size, 0), "val": mtan_split(val, size, 1)}
    (root / "data").mkdir(parents=True)
    for split, part in made.items():
        stored = part.normals[..., [0, 2, 1]] * [1, 1, -1]
        columns = {"image": part.images.transpose(0, 3, 1, 2).astype(np.float32),
                   "segmentation": part.labels.astype(np.int64),
                   "depth": part.depths.transpose(0, 3, 1, 2),
                   "normal": stored.transpose(0, 3, 1, 2).astype(np.float32)}
        table = pyarrow.table({name: pyarrow.array(
            values.tolist(), _nested(pyarrow, values)) for name, values in columns.items()})
        parquet.write_table(table, root / "data" / f"{split}-00000-of-00001.parquet")
    return made


def _nested(pyarrow: Any, values: NDArray[Any]) -> Any:
    kind = pyarrow.from_numpy_dtype(values.dtype)
    for _ in range(values.ndim - 1):
        kind = pyarrow.list_(kind)
    return kind
