"""Names of the site's files, made from names that may hold anything."""

from __future__ import annotations

import hashlib
import re

from benchmark.report.runs.grid import Grid
from benchmark.report.runs.settings import fingerprint

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")
"""Names that Windows keeps for devices."""
_KEPT = 40
"""Characters of a name that stand before its hash."""


def slug(name: str) -> str:
    """A file name without its ending: plain names as they are, others shortened, with a hash.

    Lower-case letters, digits, `_`, `-` and `~` only, at most 80 of them, so that it stays in its
    folder everywhere. Different names have different slugs, also where case is ignored: `~` stands
    before a hash and in no plain name.
    """
    if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    readable = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:_KEPT]
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{readable}~{digest[:16]}"


def leaderboard_file(grid: Grid, baseline: str, convention: str) -> str:
    """The page of a leaderboard; the index has a name of its own."""
    variant = f" {fingerprint(grid.variant)}" if grid.variant else ""
    return f"board-{slug(f'{grid.name}{variant}-{baseline}-{convention}')}.html"


def method_file(name: str) -> str:
    """The page of a method."""
    return f"methods/{slug(name)}.html"


def run_file(run_id: str, ending: str = "html") -> str:
    """The page of a run, or with another `ending` a file beside it."""
    return f"runs/{slug(run_id)}.{ending}"
