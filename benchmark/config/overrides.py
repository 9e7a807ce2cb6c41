"""Settings of the command line, `a.b=value`: put over the values of files, and written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from benchmark.config.yaml_file import read_value
from benchmark.errors import RequestError, shortened, unknown


def override(content: dict[str, Any], settings: Iterable[str], option: str,
             closed: bool = False) -> bool:
    """Put `a.b=value` strings into nested dicts, values read as YAML, and return whether there were
    any.

    With `closed`, only top-level keys that `content` has are accepted. `option` names the option of
    the command line in messages. Raises `RequestError` for what cannot be read or is unknown.
    """
    changed = False
    for text in settings:
        key, equals, value = text.partition("=")
        what = f"{option} {shortened(text)}"
        if not equals or not key:
            raise RequestError(f"{what}: expected key=value")
        *parents, last = key.split(".")
        block = content
        for parent in parents:
            inner = block.setdefault(parent, {}) if content is not block else block.get(parent)
            if not isinstance(inner, dict):
                raise RequestError(f"{what}: {unknown('key', key, _dotted(content))}")
            block = inner
        if block is content and closed and last not in content:
            raise RequestError(f"{what}: {unknown('key', key, _dotted(content))}")
        try:
            block[last] = read_value(value)
        except ValueError as error:
            raise RequestError(f"{option} {shortened(key)}: '{shortened(value)}' is not a YAML "
                               f"value: {error}") from None
        changed = True
    return changed


def setting_text(value: Any) -> str:
    """A value as `--set` reads it back: YAML, with strings bare where they stay strings."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    if not isinstance(value, str):
        return text
    try:
        return value if read_value(value) == value else text
    except ValueError:
        return text


def _dotted(content: dict[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in content.items():
        names.append(prefix + key)
        if isinstance(value, dict):
            names += _dotted(value, f"{prefix}{key}.")
    return names
