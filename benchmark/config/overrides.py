"""Settings from the command line, `a.b=value`, put over what files say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import yaml

from benchmark.errors import RequestError, unknown


def override(content: dict[str, Any], settings: Iterable[str], option: str,
             closed: bool = False) -> bool:
    """Put `a.b=value` strings into nested dicts, values read as YAML; whether there were any.

    With `closed` the top keys are those `content` has. `option` is the command line's, for
    messages. Raises `RequestError`.
    """
    changed = False
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise RequestError(f"{option} {text}: expected key=value")
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            inner = place.setdefault(parent, {}) if content is not place else place.get(parent)
            if not isinstance(inner, dict):
                raise RequestError(f"{option} {text}: {unknown('key', key, _dotted(content))}")
            place = inner
        if place is content and closed and last not in content:
            raise RequestError(f"{option} {text}: {unknown('key', key, _dotted(content))}")
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise RequestError(f"{option} {text}: '{value}' is not a YAML value") from None
        changed = True
    return changed


def setting_text(value: Any) -> str:
    """A value as `--set` reads it back: YAML, with strings bare where they stay strings."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    if not isinstance(value, str):
        return text
    try:
        return value if yaml.safe_load(value) == value else text
    except yaml.YAMLError:
        return text


def _dotted(content: dict[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in content.items():
        names.append(prefix + key)
        if isinstance(value, dict):
            names += _dotted(value, f"{prefix}{key}.")
    return names
