"""Maps kept as 16-bit codes: half the bytes of float32, an error that is known beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

DTYPE = "uint16"
LARGEST = 65535


class Codec(BaseModel):
    """value = code * scale + offset; one code means invalid (NaN in a target)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = Field(gt=0)
    offset: float = 0.0
    invalid: int = Field(LARGEST, ge=0, le=LARGEST)

    def encode(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """Values (NaN where invalid) as codes; off by half a `scale` at most.

        Raises `ValueError` for a value beyond the codes, or one that only the invalid code has.
        """
        valid = np.isfinite(values)
        codes = np.rint((np.where(valid, values, self.offset) - self.offset) / self.scale)
        if codes.size and (codes.min() < 0 or codes.max() > LARGEST):
            worst = values[valid].max() if codes.max() > LARGEST else values[valid].min()
            raise ValueError(f"the value {worst:g} is outside {self.offset:g} to "
                             f"{LARGEST * self.scale + self.offset:g}")
        if (codes[valid] == self.invalid).any():
            raise ValueError(f"a valid pixel has the value "
                             f"{self.invalid * self.scale + self.offset:g}, "
                             "which is kept for invalid ones")
        return np.where(valid, codes, self.invalid).astype(np.uint16)

    def decode(self, codes: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Codes as float32 values, NaN where invalid."""
        values = codes.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)
        values[codes == self.invalid] = np.nan
        return values
