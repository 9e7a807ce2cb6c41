"""Writing files so that a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TEMPORARY = re.compile(r"\.\w+\.(json|jsonl|md|npy|npz|png|safetensors|yaml)\.[a-z0-9_]{8}")
"""Names that `write_atomically` gives, of the kinds of files a run leaves."""


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


def digest(value: Any) -> str:
    """sha256 of a JSON-able value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
