"""Paths of the files that come with the package: sequences, published numbers, records."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped(name: str) -> Path:
    """Path of `sequences` or a folder of `results`: in an installed package, else in the clone."""
    installed = _PACKAGE / "shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
