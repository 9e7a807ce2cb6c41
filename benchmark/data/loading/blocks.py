"""Which training images a phase owns. A phase's data hold those and its tasks' labels only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmark.config.family import Protocol

Regime = Literal["lifelong", "joint", "multitask"]
"""lifelong: one task per phase. The bounds: one phase of all tasks, each on its own block
(joint) or on every image (multitask)."""


@dataclass(frozen=True)
class Block:
    """The images of one phase and which of them carry labels of which task."""

    tasks: tuple[str, ...]
    images: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Positions in the training split."""
    labelled: dict[str, tuple[int, int]]
    """Task -> range of `images` (start, stop) that carries its labels."""


def batch_sizes(images: int, batch: int, drop_last: bool) -> list[int]:
    """Images of every step of an epoch.

    The last batch is left out when it is not full, or kept: then a lone image, over which batch
    norm cannot normalise, joins the batch before. Fewer images than a batch are one batch.
    """
    size = max(1, min(batch, images))
    full, rest = divmod(images, size)
    sizes = [size] * full
    if rest and not drop_last:
        sizes += [sizes.pop() + 1] if rest == 1 else [rest]
    return sizes


def blocks(order: Sequence[str], images: int, split: Protocol, regime: Regime) -> list[Block]:
    """The blocks of all phases of a run over `images` training images.

    disjoint: phase t owns the t-th run of floor(N/T) consecutive images, the rest is left out
    (HAD, protocol). shared: every phase owns all images.
    """
    size = images // len(order)
    own = {task: np.arange(images) if split == "shared" else np.arange(k * size, (k + 1) * size)
           for k, task in enumerate(order)}
    if regime == "lifelong":
        return [Block((task,), own[task], {task: (0, len(own[task]))}) for task in order]
    if split == "shared" or regime == "multitask":
        everything = np.arange(images if split == "shared" else size * len(order))
        return [Block(tuple(order), everything, dict.fromkeys(order, (0, len(everything))))]
    starts = {task: k * size for k, task in enumerate(order)}
    return [Block(tuple(order), np.concatenate([own[task] for task in order]),
                  {task: (start, start + size) for task, start in starts.items()})]
