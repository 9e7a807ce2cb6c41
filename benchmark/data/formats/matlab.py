"""MATLAB files of version 4 to 7.2, as scipy reads them, within limits."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.data.formats import decode
from benchmark.errors import DataError

LARGEST_UNPACKED = 1 << 28
"""Bytes of all variables of a file."""
_COMPRESSED = 15
"""The type of a compressed variable in a file of version 5 and later."""


def read_matlab(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """The variables called `names` of a MATLAB file, as far as it has them.

    Nothing in such a file is executed. Raises `DataError` when the file is damaged, of another
    format, or unpacks to more than `LARGEST_UNPACKED` bytes.
    """
    from scipy.io import loadmat

    data = decode.read_bytes(path)
    if _unpacked_size(data) > LARGEST_UNPACKED:
        raise DataError(f"{path} unpacks to more than {LARGEST_UNPACKED >> 20} MiB: no labels of "
                        "images are so large")
    try:
        found: dict[str, Any] = loadmat(io.BytesIO(data), variable_names=names)
    except Exception as error:  # scipy raises many types, which have no base class of their own
        raise DataError(f"{path} is damaged or no MATLAB file of version 4 to 7.2 ({error}); "
                        "copy it again") from None
    return found


def _unpacked_size(data: bytes) -> int:
    """Bytes that the compressed variables of a file unpack to; of a file that is too large, or
    damaged, as many as were counted."""
    order = "<" if data[126:128] == b"IM" else ">"
    place, total = 128, 0
    while place + 8 <= len(data) and total <= LARGEST_UNPACKED:
        kind, size = struct.unpack_from(f"{order}II", data, place)
        if kind == _COMPRESSED:
            try:
                total += len(zlib.decompressobj().decompress(data[place + 8:place + 8 + size],
                                                             LARGEST_UNPACKED + 1))
            except zlib.error:
                return total
        place += 8 + size
    return total
