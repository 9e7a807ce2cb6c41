"""The tasks of Cityscapes, and the classes and values of official ids and disparities.

Ids, names and categories are those of `labels.py` in mcordts/cityscapesScripts; the disparity
convention is that of its README. See docs/datasets/cityscapes.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.data.store.codec import LARGEST, Codec
from benchmark.tasks import VOID, Task

Disparity = Literal["mtan", "official"]

IDS = 34
"""Label ids are 0 to 33; 0 to 6 are void."""
NO_ID = 255
"""Licence plates, whose id -1 some files hold as 255."""

_CATEGORIES = {"flat": range(7, 11), "construction": range(11, 17), "object": range(17, 21),
               "nature": range(21, 23), "sky": range(23, 24), "human": range(24, 26),
               "vehicle": range(26, 34)}
_CLASSES = {"road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17,
            "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23,
            "person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28, "train": 31,
            "motorcycle": 32, "bicycle": 33}

SEMANTIC = Task(name="semantic", kind="segmentation", channels=7, classes=tuple(_CATEGORIES))
SEMANTIC19 = Task(name="semantic19", kind="segmentation", channels=19, classes=tuple(_CLASSES))


def _table(ids: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    table = np.full(256, VOID, np.uint8)
    for index, members in enumerate(ids):
        table[list(members)] = index
    return table


CLASS_OF_ID = {"semantic": _table(list(_CATEGORIES.values())),
               "semantic19": _table([[number] for number in _CLASSES.values()])}
"""For both segmentations, the class of every id, or `VOID`: uint8 [256]."""

CODECS: dict[Disparity, Codec] = {"mtan": Codec(scale=1 / LARGEST, invalid=0),
                                  "official": Codec(scale=1 / 256, offset=-1 / 256, invalid=0)}
"""Value of p in a 16-bit disparity file, 0 being invalid: p / 65535, or (p - 1) / 256 pixels."""


def depth(disparity: Disparity) -> Task:
    """Return the task of inverse depth in one of the conventions."""
    return Task(name="depth", kind="regression", channels=1, encoding="inverse_depth",
                unit="px" if disparity == "official" else "")
