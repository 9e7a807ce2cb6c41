"""MATLAB files: one variable of them, or an error that names the file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import DataError


def load(path: Path, variable: str) -> NDArray[Any]:
    """A variable of a MATLAB file (version 4 to 7.2), as `scipy.io.loadmat` delivers it.

    Nothing in such a file is executed. Raises `DataError` when the file is damaged or of another
    format, or has no such variable.
    """
    from scipy.io import loadmat

    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    try:
        content = loadmat(io.BytesIO(data), variable_names=[variable])
    except Exception as error:  # the parser of a damaged file may raise anything
        raise DataError(f"{path} is damaged or no MATLAB file of version 4 to 7.2 ({error}); "
                        "copy it again") from None
    if variable not in content:
        raise DataError(f"{path} has no variable {variable}; copy it again")
    return np.asarray(content[variable])
