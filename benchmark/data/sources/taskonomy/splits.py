"""The tiny split: which buildings are for training, validation and testing.

The names and their order are those of the owners' split files (StanfordVL/taskonomy,
data/assets/splits_taskonomy.zip).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from benchmark.data.store.files import Split
from benchmark.errors import RequestError, unknown

Part = Literal["test", "val"]

TRAIN = ("hanson", "merom", "klickitat", "onaga", "leonardo", "marstons", "newfields", "pinesdale",
         "lakeville", "cosmos", "benevolence", "pomaria", "tolstoy", "shelbyville", "allensville",
         "wainscott", "beechwood", "coffeen", "stockman", "hiteman", "woodbine", "lindenwood",
         "forkland", "mifflinburg", "ranchester")
EVAL: dict[Part, tuple[str, ...]] = {
    "test": ("ihlen", "muleshoe", "uvalda", "noxapater", "mcdade"),
    "val": ("wiconisco", "corozal", "collierville", "markleeville", "darden")}
TINY = (*TRAIN, *EVAL["val"], *EVAL["test"])

DAMAGED = frozenset({"newfields/point_1070_view_8", "muleshoe/point_399_view_5",
                     "woodbine/point_1096_view_6"})
"""Images that cannot be decoded in the copy everybody downloads (EPFL-VILAB/omnidata issue 7,
StanfordVL/taskonomy issue 72): never used, so that all readers of the set see the same images."""


def choose(buildings: Sequence[str], part: Part, skip: Sequence[str]) -> dict[Split, list[str]]:
    """The buildings of either split in the order of the split files.

    `buildings` empty means all. Raises `RequestError` for a name that is not of the tiny split,
    and when nothing is left of a split.
    """
    for name in (*buildings, *(image.partition("/")[0] for image in skip)):
        if name not in TINY:
            raise unknown("building", name, TINY)
    parts: dict[Split, list[str]] = {}
    roles: dict[Split, tuple[str, ...]] = {"train": TRAIN, "eval": EVAL[part]}
    for split, known in roles.items():
        parts[split] = [name for name in known
                        if name not in skip and (not buildings or name in buildings)]
        if not parts[split]:
            raise RequestError(f"buildings and skip leave none for the {split} split; add one of "
                               f"{', '.join(known)}")
    return parts
