"""The tasks of NYUv2, and the 40 or 13 classes of its 894 labels.

40 classes: `mapClass` of classMapping40.mat (S. Gupta and others). 13 classes: the table of
`class13Mapping.mat` in ankurhanda/nyuv2-meta-data (C. Couprie and others).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.data.store.codec import Codec
from benchmark.tasks import VOID, Task

Classes = Literal[13, 40]

LABELS = 894
"""Labels are 1 to 894; 0 is unlabelled."""

NAMES: dict[Classes, tuple[str, ...]] = {
    13: ("bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa",
         "table", "tv", "wall", "window"),
    40: ("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window",
         "bookshelf", "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser",
         "pillow", "mirror", "floor mat", "clothes", "ceiling", "books", "refridgerator",
         "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person",
         "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure",
         "otherfurniture", "otherprop")}

_THIRTEEN_OF_FORTY = (12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5,
                      7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7)
"""Number (from 1) among the 13 classes for each of the 40."""

SEMANTIC = "semantic"
DEPTH = Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m")
NORMAL = Task(name="normal", kind="direction", channels=3)
DEPTH_CODEC = Codec(scale=0.0002, invalid=0)
"""Steps of 0.2 mm up to 13.1 m; Kinect's own steps are above 1 mm."""


def semantic(classes: Classes) -> Task:
    """Return the task of segmentation into 13 or 40 classes."""
    return Task(name=SEMANTIC, kind="segmentation", channels=classes, classes=NAMES[classes])


def class_of_label(forty: NDArray[Any], classes: Classes) -> NDArray[np.uint8]:
    """Return the table from a label, 0 to 894, to its class or `VOID`: uint8 [895].

    `forty` holds a number 1 to 40 for each of the labels 1 to 894.
    """
    of_forty = np.arange(40) if classes == 40 else np.array(_THIRTEEN_OF_FORTY) - 1
    return np.concatenate([[VOID], of_forty[forty.astype(np.int64) - 1]]).astype(np.uint8)
