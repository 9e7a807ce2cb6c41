"""Replacing a site as a whole: readers find the old folder or the new one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmark.errors import RequestError

MARKER = ".lhlbench-site"
"""The file that tells a site of ours from any other folder."""


def replace_site(to: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` write a site into an empty folder beside `to`, then put it in place of `to`.

    Raises `RequestError`, before anything is written, when `to` is there and is neither empty nor
    a site of ours; and whatever `fill` raises, with `to` as it was before.
    """
    to = to.resolve()
    if to.exists() and not _ours(to):
        raise RequestError(f"{to} is not a site that lhlbench report wrote and will not be "
                           "replaced; name another folder with --to")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as folder:
        new, old = Path(folder) / "new", Path(folder) / "old"
        new.mkdir()
        fill(new)
        (new / MARKER).write_text("Written by lhlbench report, which replaces the whole folder.\n")
        if to.exists():
            to.rename(old)
        try:
            new.rename(to)
        except BaseException:
            if old.exists():
                old.rename(to)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _ours(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MARKER).is_file() or not any(folder.iterdir()))
