"""What a task is: plain data, without torch, so that listing tasks is instant."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

VOID = 255
"""Label of segmentation and binary pixels that count in no loss and no metric."""

KindName = Literal["segmentation", "regression", "direction", "binary"]
Encoding = Literal["plain", "depth", "inverse_depth"]


class Task(BaseModel):
    """One dense prediction task.

    Targets of a batch, as every reader delivers them and every kind expects them:

    - segmentation: uint8 [B, H, W], class index; `VOID` is ignored
    - regression: float [B, C, H, W] in `unit`; NaN is invalid
    - direction: float [B, 3, H, W] unit vectors (x right, y down, z away from the camera);
      the zero vector is invalid
    - binary: uint8 [B, H, W], 0 or 1; `VOID` is ignored
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: KindName
    channels: int = Field(ge=1, description="classes for segmentation, map channels otherwise")
    encoding: Encoding = Field("plain", description="how a regression map answers to zooming")
    unit: str = Field("", description="unit of a regression map, such as m")
    classes: tuple[str, ...] = Field((), description="class names of a segmentation")

    @model_validator(mode="after")
    def _consistent(self) -> Task:
        if self.kind == "direction" and self.channels != 3:
            raise ValueError(f"direction task '{self.name}' has 3 channels, not {self.channels}")
        if self.kind == "binary" and self.channels != 1:
            raise ValueError(f"binary task '{self.name}' has 1 channel, not {self.channels}")
        if self.kind == "segmentation" and not 2 <= self.channels < VOID:
            raise ValueError(f"segmentation task '{self.name}' needs 2 to {VOID - 1} classes")
        if self.encoding != "plain" and self.kind != "regression":
            raise ValueError(f"encoding '{self.encoding}' is for regression, not {self.kind}")
        if self.classes and len(self.classes) != self.channels:
            raise ValueError(f"task '{self.name}': {len(self.classes)} class names for "
                             f"{self.channels} classes")
        return self

    def valid(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """Bool [B, H, W]: which pixels of a batch of targets count."""
        if self.kind in ("segmentation", "binary"):
            return np.asarray(targets != VOID)
        if self.kind == "direction":
            return np.asarray(targets.any(axis=1))
        return np.asarray(np.isfinite(targets).all(axis=1))
