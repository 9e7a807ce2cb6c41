"""What a task is: plain data, without torch, so that listing tasks is instant."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

VOID = 255
"""Label of pixels that count in no loss and no metric, for kinds whose targets are labels."""
LONGEST_NAME = 64
"""Letters of the name of a task, which names files too."""


class Task(BaseModel):
    """One dense prediction task.

    Targets of a batch, as every reader delivers them and its kind expects them, are labels
    (uint8 [B, H, W], where `VOID` is ignored) or maps (float [B, C, H, W]):

    - segmentation: class index
    - regression: map in `unit`; NaN is invalid
    - direction: unit vectors of 3 channels (x right, y down, z away from the camera); the zero
      vector is invalid
    - binary: label 0 or 1

    Making a task of a kind that is not known raises `RequestError`; one that its kind refuses
    is a validation error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)
    kind: str
    channels: int = Field(ge=1, description="classes for segmentation, map channels otherwise")
    encoding: str = Field("plain", description="how a map answers to zooming; its kind has a list")
    unit: str = Field("", description="unit of a map, such as m")
    classes: tuple[str, ...] = Field((), description="class names of a segmentation")

    @model_validator(mode="after")
    def _accepted_by_its_kind(self) -> Task:
        # Imported here, since kinds are written against `Task`.
        from benchmark.tasks.registry import find_kind

        find_kind(self.kind).spec.check(self)
        return self

    def valid(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """Bool [B, H, W]: which pixels of a batch of targets count."""
        from benchmark.tasks.registry import find_kind

        return find_kind(self.kind).spec.valid(self, targets)
