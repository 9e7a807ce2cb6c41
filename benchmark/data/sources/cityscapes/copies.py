"""Layouts mtan and hub of Cityscapes: disparities divided by 65535, classes instead of ids."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmark.data.formats.arrays import ArrayTask, hub_layout, mtan_layout
from benchmark.data.sources.cityscapes.classes import CODECS, SEMANTIC, SEMANTIC19, depth
from benchmark.data.store.codec import LARGEST

if TYPE_CHECKING:
    from benchmark.data.sources.cityscapes import Config


def _tasks(seven: tuple[str, ...], nineteen: str, config: Config) -> list[ArrayTask]:
    codec = CODECS[config.disparity]
    return [
        ArrayTask(SEMANTIC, seven, hint=f"if these are 19 classes, rename it {nineteen}"),
        ArrayTask(SEMANTIC19, (nineteen,)),
        ArrayTask(depth(config.disparity), ("depth",), codec=codec, scale=codec.scale * LARGEST,
                  offset=codec.offset, limits=(0.0, 1.0),
                  hint="such a copy has the official 16-bit disparities divided by 65535")]


MTAN = mtan_layout(partial(_tasks, ("label_7", "label"), "label_19"))
HUB = hub_layout(partial(_tasks, ("segmentation",), "segmentation_19"))
