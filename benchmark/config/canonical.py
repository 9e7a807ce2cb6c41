"""Configurations as records keep them and run ids hash them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

LATER: dict[str, Any] = {"later": True}
"""Marks, as a field's `json_schema_extra`, what was added after the first records were made."""


def canonical(model: BaseModel) -> dict[str, Any]:
    """The JSON values of a model; fields that were added later are left out at their default, so
    that the runs of before are of the same configuration still."""
    unchanged = {name for name, field in type(model).model_fields.items()
                 if isinstance(field.json_schema_extra, dict)
                 and field.json_schema_extra.get("later")
                 and getattr(model, name) == field.get_default(call_default_factory=True)}
    return {name: value for name, value in model.model_dump(mode="json").items()
            if name not in unchanged}
