"""What is known of a method: what its class says, where it is installed, else its records."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.record import Record
from benchmark.report.runs.settings import flatten, setting_text


@dataclass(frozen=True)
class Setting:
    """A setting of a method: its default, where that comes from, and what it does."""

    name: str
    default: str
    source: str
    description: str


@dataclass(frozen=True)
class About:
    """What a page says of a method before its results."""

    name: str
    kind: str
    installed: bool
    settings: tuple[Setting, ...]
    summary: str = ""
    family: str = ""
    stores: str = ""
    needs: tuple[str, ...] = ()
    reference: str = ""
    text: str = ""


def about(name: str, records: Sequence[Record]) -> About:
    """What the installed method `name` says; of others, the settings of their `records`."""
    from benchmark.registry import find_method, method_names

    kind = records[0].method.kind
    if name not in method_names() or any(record.config.get("plug_in") for record in records):
        used: dict[str, list[str]] = {}
        for record in records:
            for key, value in flatten(record.method.config).items():
                used.setdefault(key, []).append(setting_text(value))
        return About(name, kind, False, tuple(
            Setting(key, ", ".join(sorted(set(values))), "", "") for key, values in used.items()))
    method = find_method(name)
    settings = tuple(Setting(key, setting_text(field.default), _source(field.json_schema_extra),
                             (field.description or "").rpartition(" [")[0])
                     for key, field in method.Config.model_fields.items())
    return About(name, kind, True, settings, method.summary, method.family, method.stores,
                 tuple(method.needs), method.reference, inspect.getdoc(method) or "")


def _source(extra: Any) -> str:
    return str(extra.get("source", "")) if isinstance(extra, dict) else ""
