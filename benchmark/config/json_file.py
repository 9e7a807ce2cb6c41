"""JSON of others, read strictly: no key twice, no NaN, and no value that no file of ours has."""

from __future__ import annotations

import json
from typing import Any

LARGEST_NUMBER = 1e100
"""Squares of numbers within it have no overflow."""
LONGEST_TEXT = 100_000
_LARGEST_INTEGER = 2 ** 63 - 1
_DEEPEST = 40


def parse_json(text: bytes) -> Any:
    """The value of a JSON text. Raises `ValueError` for a key that stands twice, for NaN and
    infinity, and `RecursionError` for deep nesting."""
    return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)


def require_usable(content: Any, text: bytes) -> None:
    """Raise `ValueError`, naming the place, for a value of `text` that JSON can hold and no file of
    ours does: whole numbers beyond 64 bits, others beyond `LARGEST_NUMBER`, texts longer than
    `LONGEST_TEXT` or no Unicode, and what is nested more than 40 deep."""
    if not isinstance(content, dict) or b"\\u" in text or not _is_usual(content):
        _require(content)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key '{max(keys, key=keys.count)}'")
    return content


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _is_usual(content: Any) -> bool:
    """Whether `_require` has nothing to find, found in a tenth of its time."""
    blocks = [content]
    for _ in range(_DEEPEST):
        below = []
        for block in blocks:
            for part in block.values() if type(block) is dict else block:
                kind = type(part)
                if kind is dict or kind is list:
                    below.append(part)
                elif ((kind is float and not abs(part) <= LARGEST_NUMBER)
                      or (kind is int and abs(part) > _LARGEST_INTEGER)
                      or (kind is str and len(part) > LONGEST_TEXT)):
                    return False
        if not below:
            return True
        blocks = below
    return False


def _require(value: Any, place: str = "", depth: int = 0) -> None:
    """Raise `ValueError` for values that JSON can hold and no run leaves."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT or (not value.isascii() and _has_surrogates(value)):
            raise ValueError(f"{place} is too long a text, or no Unicode")
    elif isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            raise ValueError(f"{place} is {value:.3e}, beyond 64 bits" if abs(value) < 10 ** 300
                             else f"{place} is a number of more than 300 digits")
    elif isinstance(value, float):
        if not abs(value) <= LARGEST_NUMBER:
            raise ValueError(f"{place} is {value}")
    elif depth > _DEEPEST:
        raise ValueError("nested too deeply")
    parts = (value.items() if isinstance(value, dict)
             else enumerate(value) if isinstance(value, list) else ())
    for key, part in parts:
        _require(key, f"a key of {place or 'the record'}")
        _require(part, f"{place}.{key}" if place else str(key), depth + 1)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
