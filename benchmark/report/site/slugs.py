"""File names of pages, made from names that may hold anything."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")
_KEPT = 40


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
