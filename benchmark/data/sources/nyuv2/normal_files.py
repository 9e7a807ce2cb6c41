"""Files of normals in the layout of D. Eigen's normals_gt: a folder, or an archive of it.

    normals/0000.png ...    RGB, 8 bits: 127 + 127 n; 127 in all channels: no normal
    masks/0000.png ...      0: no normal

Numbers are those of the frames in nyu_depth_v2_labeled.mat, from 0. Archives are read in memory;
nothing is unpacked to disk.
"""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.sources.nyuv2.labelled import SIZE
from benchmark.errors import DataError
from benchmark.files import read_file

USUAL_NAMES = ("normals_gt", "normals_gt.tgz", "normals_gt.tar.gz", "normals_gt.zip")
"""Names searched for in the folder of nyu_depth_v2_labeled.mat, in this order."""

ZERO = 127
"""The stored value of a component 0; three of them mean that there is no normal."""

_CHANNELS: dict[str, tuple[int, ...]] = {"normals": (3,), "masks": ()}
_KINDS = tuple(_CHANNELS)
_LARGEST_MEMBER = 1 << 24
"""Bytes of a PNG file of a frame."""
_BITS = 24
"""Position of the byte of a PNG file with the bits per channel."""


class NormalFiles(ABC):
    """PNG files of normals, by frame."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, index: int) -> NDArray[np.uint8]:
        """Read the stored colours of a frame, [3, 480, 640], `ZERO` where the mask is 0.

        Raises `DataError` when a file is missing, damaged, or of another form or size.
        """
        colours, mask = (self._pixels(kind, index) for kind in _KINDS)
        return np.where(mask != 0, colours.transpose(2, 0, 1), np.uint8(ZERO))

    def _pixels(self, kind: str, index: int) -> NDArray[Any]:
        key = f"{kind}/{index:04d}.png"
        where, data = self._bytes(key)
        try:
            Image.open(io.BytesIO(data), formats=("PNG",)).verify()
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                pixels = np.asarray(image)
        except (OSError, ValueError, SyntaxError, EOFError, struct.error,
                Image.DecompressionBombError) as error:
            raise DataError(f"{where} is damaged or not a PNG file ({error}); copy it "
                            "again") from None
        bits = data[_BITS]  # Pillow converts 16-bit colours to 8 bits silently
        if pixels.shape != (*SIZE, *_CHANNELS[kind]) or bits > 8:
            raise DataError(f"{where} has {bits} bits and is {list(pixels.shape)}; it must have "
                            f"8 bits and be {[*SIZE, *_CHANNELS[kind]]}")
        return pixels

    @abstractmethod
    def _bytes(self, key: str) -> tuple[str, bytes]:
        """The name of a file in messages, and its content."""

    @abstractmethod
    def inputs(self, indices: Iterable[int]) -> list[Path]:
        """Return the files on disk that hold these frames.

        Raises `DataError` when one is missing.
        """

    def close(self) -> None:
        """Close the files that were kept open."""
        return None


def open_normals(path: Path) -> NormalFiles:
    """Open the normals in a folder or an archive (.zip, .tgz, .tar.gz, .tar).

    Raises `DataError` when there is no such folder or archive.
    """
    if path.is_dir():
        return _Folder(path)
    if not path.is_file():
        raise DataError(f"there is no folder or archive of normals {path}; correct the option "
                        "normals")
    if path.suffix == ".zip":
        return _Zip(path)
    if path.name.endswith((".tgz", ".tar.gz", ".tar")):
        return _Tar(path)
    raise DataError(f"{path} is no archive of normals; it must be a .zip, .tgz, .tar.gz or .tar")


def _key(path: Path, member: str, link: bool) -> str:
    """The last folder and the name of an archive's member.

    Raises `DataError` when its path leads out of the archive.
    """
    name = PurePosixPath(member.replace("\\", "/"))
    if link or name.is_absolute() or ".." in name.parts:
        raise DataError(f"{path}: its member {member!r} is a link or leads out of the archive; "
                        "this is not an archive to be read")
    return "/".join(name.parts[-2:])


def _missing(where: str) -> DataError:
    return DataError(f"{where} is missing; every frame needs a normals and a masks file")


class _Folder(NormalFiles):
    def __init__(self, path: Path) -> None:
        inner = path / "normals_gt"
        super().__init__(inner if inner.is_dir() else path)

    def _bytes(self, key: str) -> tuple[str, bytes]:
        path = self.path / key
        try:
            return str(path), read_file(path, _LARGEST_MEMBER)
        except FileNotFoundError:
            raise _missing(str(path)) from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None

    def inputs(self, indices: Iterable[int]) -> list[Path]:
        there = {kind: {path.name for path in (self.path / kind).glob("*.png")}
                 for kind in _KINDS}
        paths = [self.path / kind / f"{index:04d}.png" for index in indices for kind in _KINDS]
        for path in paths:
            if path.name not in there[path.parent.name]:
                raise _missing(str(path))
        return paths


class _Archive(NormalFiles):
    """Normals in an archive, which is a single input file."""

    def _bytes(self, key: str) -> tuple[str, bytes]:
        where = f"{self.path}: {key}"
        try:
            return where, self._member(key)
        except KeyError:
            raise _missing(where) from None
        except (OSError, EOFError, RuntimeError, NotImplementedError, zlib.error,
                tarfile.TarError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.path} is damaged, at {key} or before ({error}); copy it "
                            "again") from None

    @abstractmethod
    def _member(self, key: str) -> bytes:
        """Read a member. Raises `KeyError` when there is none of this name."""

    def inputs(self, indices: Iterable[int]) -> list[Path]:
        return [self.path]


class _Zip(_Archive):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is damaged or not a zip archive ({error}); copy it "
                            "again") from None
        self._names = {_key(path, info.filename, stat.S_ISLNK(info.external_attr >> 16)): info
                       for info in self._zip.infolist()}

    def _member(self, key: str) -> bytes:
        info = self._names[key]
        if info.file_size > _LARGEST_MEMBER:
            raise zipfile.BadZipFile(f"it unpacks to {info.file_size} bytes")
        return self._zip.read(info)

    def inputs(self, indices: Iterable[int]) -> list[Path]:
        for index in indices:
            for kind in _KINDS:
                if (key := f"{kind}/{index:04d}.png") not in self._names:
                    raise _missing(f"{self.path}: {key}")
        return [self.path]

    def close(self) -> None:
        self._zip.close()


class _Tar(_Archive):
    """A tar archive, which has no index: the first access reads it into memory as a whole."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = Lock()
        self._content: dict[str, bytes] | None = None

    def _member(self, key: str) -> bytes:
        with self._lock:
            if self._content is None:
                self._content = self._read_all()
        return self._content[key]

    def _read_all(self) -> dict[str, bytes]:
        content = {}
        with tarfile.open(self.path, "r|*") as archive:
            for member in archive:
                key = _key(self.path, member.name, not (member.isfile() or member.isdir()))
                if member.size > _LARGEST_MEMBER:
                    raise tarfile.TarError(f"{member.name} has {member.size} bytes")
                if member.isfile() and key.partition("/")[0] in _KINDS:
                    file = archive.extractfile(member)
                    assert file is not None  # it is for files
                    content[key] = file.read()
        return content

    def close(self) -> None:
        self._content = None
