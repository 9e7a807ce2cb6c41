"""Reading files that may be anything, and writing so that a reader never sees half a file."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import RequestError

_TEMPORARY = re.compile(r"\.\w+\.(json|jsonl|md|npy|npz|png|safetensors|yaml)\.[a-z0-9_]{8}")
"""Names that `write_atomically` gives, of the kinds of files a run leaves."""


def require_regular(path: Path, largest: int) -> None:
    """Raise `OSError` unless `path` is a file, no pipe or device, of at most `largest` bytes.

    Opening a pipe would wait for ever, and reading what is too large would fill the memory.
    """
    try:
        status = path.stat()
    except ValueError as error:  # a name with a zero byte
        raise OSError(errno.EINVAL, str(error)) from None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if status.st_size > largest:
        raise OSError(errno.EFBIG, f"larger than {largest} bytes")


def read_file(path: Path, largest: int) -> bytes:
    """The content of a file. Raises `OSError` as `require_regular` and opening do."""
    require_regular(path, largest)
    with open(path, "rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:  # of a file of the kernel, whose size is said to be 0
        raise OSError(errno.EFBIG, f"larger than {largest} bytes")
    return content


def read_arrays(path: Path, largest: int) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file by name; nothing is unpickled.

    Raises `OSError` for what is no readable file, and `ValueError` for one that unpacks to more
    than `largest` bytes, which is known before anything is unpacked, or that is damaged.
    """
    require_regular(path, largest)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        names = [member.filename for member in members]
        if sum(member.file_size for member in members) > largest:
            raise ValueError(f"it unpacks to more than {largest >> 20} MiB")
        if len(set(names)) != len(names):
            raise ValueError(f"{max(names, key=names.count)} is in it twice")
        with np.load(path, allow_pickle=False) as arrays:
            found = {key: arrays[key] for key in arrays.files}
        if others := [key for key, array in found.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"'{others[0]}' is no array")
        return found
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each raise their own on damaged files
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None


@contextmanager
def writing(to: Path) -> Iterator[None]:
    """Turn an `OSError` of the block, which writes `to`, into one `RequestError` that names it."""
    try:
        yield
    except OSError as error:
        raise RequestError(f"{to} cannot be written: {error.strerror or error}; make room there, "
                           "or choose another place") from None


def write_atomically(path: Path, write: Callable[[Path], object],
                     before: Path | None = None) -> None:
    """Let `write` fill a temporary file beside `path`, then move it into place; what was there
    before goes to `before`, if given.

    Raises whatever `write` raises; `path` is then as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if before is not None and path.exists():
            path.replace(before)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_temporary(folder: Path) -> None:
    """Remove what `write_atomically` left below `folder` in processes that were killed.

    Only to be called while no other process writes there.
    """
    for file in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(file.name) and file.is_file():
            file.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomically(path, lambda to: to.write_bytes(text.encode()))


def json_text(value: Any) -> str:
    """Strict JSON (no NaN, no Infinity) as a file holds it."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON atomically."""
    write_text(path, json_text(value))


def readable_json(value: Any) -> str:
    """Strict JSON to be read on a terminal: letters as they are, control characters escaped."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    return "".join(character if character.isprintable() or character in " \n"
                   else json.dumps(character)[1:-1] for character in text)


def digest(value: Any) -> str:
    """sha256 of a JSON-able value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
