"""What the machine can do, and what a step takes of it: floating-point operations and memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmark.speed.stopwatch import synchronise

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_CONVOLUTION = {"cpu": (8, 128, 48, 64), "cuda": (64, 256, 64, 64)}
"""[B, C, H, W] of a 3x3 convolution from C to C channels: large enough to keep a device busy."""


def convolution_rates(fabric: Fabric, repetitions: int = 5) -> list[float]:
    """Floating-point operations per second of a large 3x3 convolution in the run's precision, one
    value per repetition."""
    batch, channels, height, width = _CONVOLUTION.get(fabric.device.type, _CONVOLUTION["cpu"])
    maps = torch.rand(batch, channels, height, width, device=fabric.device)
    weight = torch.rand(channels, channels, 3, 3, device=fabric.device)
    operations = 2 * maps.numel() * channels * 9
    rates = []
    with torch.no_grad(), fabric.autocast():
        for repetition in range(repetitions + 1):
            synchronise(fabric.device)
            begin = time.perf_counter()
            F.conv2d(maps, weight, padding=1)
            synchronise(fabric.device)
            if repetition:  # the first one chooses an algorithm
                rates.append(operations / (time.perf_counter() - begin))
    return rates


def operations_of(work: Callable[[], Any]) -> int:
    """Floating-point operations of convolutions and matrix products in `work`."""
    counter = FlopCounterMode(display=False)
    with counter:
        work()
    return int(counter.get_total_flops())


@contextmanager
def only_new_objects() -> Iterator[None]:
    """While the context lasts, `held_bytes` counts what is made in it. The many objects of imported
    modules, which it would otherwise look through in each call, are left out."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def held_bytes() -> int:
    """Bytes of all tensors of this process, shared memory once."""
    gc.collect()
    storages: dict[int, int] = {}
    for found in gc.get_objects():
        if issubclass(type(found), Tensor) and found.layout == torch.strided:
            storage = found.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def extra_bytes(device: torch.device, work: Callable[[], Any]) -> int:
    """Bytes that `work` has allocated at its peak, beyond those that were held before."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        work()
    results: Any = found.profiler
    changes = sorted((event.start_ns(), event.nbytes())
                     for event in results.kineto_results.events() if event.name() == "[memory]")
    level = peak = 0
    for _, change in changes:
        level += change
        peak = max(peak, level)
    return peak
