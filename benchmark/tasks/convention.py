"""How the values of images become one value: the conventions published numbers follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from benchmark.errors import RequestError


@dataclass(frozen=True)
class Convention:
    """`pixel`: one sum over all pixels. `image`: mean over images. `batch:N`: mean over
    consecutive groups of N images, the last one as it is."""

    kind: Literal["pixel", "image", "batch"]
    size: int = 0
    """Images in a batch; 0 for the other kinds."""

    @classmethod
    def parse(cls, text: str) -> Convention:
        """Read `pixel`, `image` or `batch:N`. Raises `RequestError` for anything else."""
        if text == "pixel":
            return cls("pixel")
        if text == "image":
            return cls("image")
        size = re.fullmatch(r"batch:([1-9][0-9]{0,8})", text)
        if size:
            return cls("batch", int(size[1]))
        raise RequestError(f"convention '{text}' is not one of pixel, image and batch:N, "
                           "such as batch:64")

    def __str__(self) -> str:
        return f"batch:{self.size}" if self.kind == "batch" else self.kind
