"""Naming configurations by the settings in which they differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmark.config.overrides import setting_text
from benchmark.config.yaml_file import read_value
from benchmark.errors import RequestError, shortened, unknown
from benchmark.files import digest

_ABSENT = object()
"""Of a setting that a method did not have yet when the run was made; None is a value."""

_LONGEST = 500
"""Letters of settings in the name of a row."""

Settings = Mapping[str, Any]
"""Dotted name -> value, such as recipe.epochs -> 20."""


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one level of dotted names; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def fingerprint(settings: Settings) -> str:
    """Equal for equal settings, whatever their order."""
    return json.dumps(settings, sort_keys=True, default=str)


def contrast(configs: Sequence[Settings], counts: Sequence[int]) -> list[dict[str, Any]]:
    """What sets each of several different configurations apart, in the same order.

    The reference, which needs no settings to name it, is the most frequent configuration, and of
    equally frequent ones the one nearest to all others: the default, where ablations change one
    setting at a time. Without a single such configuration each is named by all that varies.
    """
    reference = _reference(configs, counts)
    if reference is not None:
        return [differences(config, reference) for config in configs]
    names = sorted({name for config in configs for name in differences(config, configs[0])})
    return [{name: config.get(name) for name in names} for config in configs]


def differences(config: Settings, other: Settings) -> dict[str, Any]:
    """The settings of `config` that `other` has not, or has differently; None for one that only
    `other` has."""
    return {name: config.get(name) for name in sorted({*config, *other})
            if config.get(name, _ABSENT) != other.get(name, _ABSENT)}


def settings_text(settings: Settings) -> str:
    """Settings as a reader of a table sees them: `weight=3, bins=5`; different for different ones.
    """
    text = ", ".join(f"{name}={value if isinstance(value, str) else setting_text(value)}"
                     for name, value in sorted(settings.items()))
    return text if len(text) <= _LONGEST else f"{shortened(text, _LONGEST)} {digest(text)[:8]}"


def _reference(configs: Sequence[Settings], counts: Sequence[int]) -> Settings | None:
    distances = [sum(len(differences(config, other)) for other in configs)
                 for config in configs]
    keys = [(-count, distance) for count, distance in zip(counts, distances, strict=True)]
    return configs[keys.index(min(keys))] if keys.count(min(keys)) == 1 else None


def conditions(texts: Sequence[str], known: Iterable[Settings]) -> dict[str, Any]:
    """`KEY=VALUE` strings, values read as YAML, of keys that one of `known` has.

    Raises `RequestError` for a text of another form and for keys that none has.
    """
    names = {name for settings in known for name in settings}
    wanted: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise RequestError(f"--where {text}: expected key=value")
        if name not in names:
            raise RequestError(f"--where {text}: {unknown('setting of a run', name, names)}")
        try:
            wanted[name] = read_value(value)
        except ValueError as error:
            raise RequestError(f"--where {shortened(name)}: '{shortened(value)}' is not a YAML "
                               f"value: {error}") from None
    return wanted
