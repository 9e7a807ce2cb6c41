"""Layers of a training step beside the plain PyTorch that computes the same, in turns.

    python bench/layers.py
    python bench/layers.py --precision bf16

Forward and backward pass of one thread, in its own CPU seconds, which other work on the machine
disturbs least; each pair runs one after the other, each first in every other pair. Printed are
medians and the median of the paired ratios.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.segmentation.deeplabv3 import ASPP

from benchmark.config.recipe import Recipe
from benchmark.memory import keep_freed_memory
from benchmark.model.dilated import dilated_convolution
from benchmark.model.heads import Head, decode_jointly, upsample

Pair = tuple[str, Callable[[], Any], Callable[[], Any]]
"""What is compared, the plain way and the way it is done."""

NARROW = {"head_channels": 32, "head_rates": (1, 2, 3), "head_dropout": 0.1}
WIDE = {"head_channels": 256, "head_rates": (12, 24, 36)}
MAPS = {"narrow, 48x64": (NARROW, (16, 64, 6, 8)), "resnet18, 96x128": (WIDE, (8, 512, 12, 16)),
        "resnet18, 288x384": (WIDE, (2, 512, 36, 48))}
"""Recipes and shapes [B, C, h, w] of features."""


def recipe(options: dict[str, Any]) -> Recipe:
    """A recipe of which only the head matters."""
    return Recipe(epochs=1, batch=1, lr=1.0, **options)


def gradients(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """Gradients of the sum of all outputs."""
    return torch.autograd.grad(list(outputs), list(inputs),
                               [torch.ones_like(each) for each in outputs])


def plain_head(head: Head) -> nn.Sequential:
    """The same head of torchvision's parts."""
    aspp, *others = copy.deepcopy(list(head))
    first, *dilated, _ = aspp.convs
    made = ASPP(first[0].in_channels, [branch[0].dilation[0] for branch in dilated], head.width)
    made.load_state_dict(aspp.state_dict())
    made.project[3].p = aspp.project[3].p
    return nn.Sequential(made, *others)


def pairs(autocast: Callable[[], Any]) -> Iterator[Pair]:
    """Everything that is compared."""
    for name, (options, shape) in MAPS.items():
        features = torch.randn(shape).contiguous(
            memory_format=torch.channels_last).requires_grad_()
        plain_features = features.detach().contiguous().requires_grad_()
        heads = [Head(shape[1], 13, recipe(options)) for _ in range(3)]

        def step(decode: Callable[[Tensor], Sequence[Tensor]], learnt: Sequence[nn.Module],
                 maps: Tensor) -> Callable[[], Any]:
            inputs = [maps, *(value for each in learnt for value in each.parameters())]

            def run() -> Any:
                with autocast():
                    outputs = decode(maps)
                return gradients(outputs, inputs)
            return run

        plain = plain_head(heads[0])
        yield (f"head, {name}: torchvision's",
               step(lambda maps, plain=plain: [plain(maps)], [plain], plain_features),
               step(lambda maps, heads=heads: [heads[0](maps)], heads[:1], features))
        yield (f"3 heads, {name}: one by one, not together",
               step(lambda maps, heads=heads: [head(maps) for head in heads], heads, features),
               step(lambda maps, heads=heads: decode_jointly(heads, maps), heads, features))
        for rate in options["head_rates"]:
            weight = torch.randn(options["head_channels"], shape[1], 3, 3, requires_grad=True)

            def convolve(way: Callable[..., Tensor], rate: int = rate, weight: Tensor = weight,
                         features: Tensor = features, **padding: int) -> Callable[[], Any]:
                def run() -> Any:
                    with autocast():
                        output = way(features, weight, dilation=rate, **padding)
                    return gradients([output], [features, weight])
                return run

            yield (f"dilation {rate}, {name}: F.conv2d", convolve(F.conv2d, padding=rate),
                   convolve(dilated_convolution))
        raw = torch.randn(shape[0], 13, *shape[2:], requires_grad=True)
        size = [8 * length for length in shape[2:]]
        yield (f"13 maps enlarged, {name}: F.interpolate",
               lambda raw=raw, size=size: gradients(
                   [F.interpolate(raw, size, mode="bilinear")], [raw]),
               lambda raw=raw, size=size: gradients([upsample(raw, size)], [raw]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    print(f"{'':58} {'plain ms':>9} {'ours ms':>9} {'ratio':>6}")
    for name, *ways in pairs(lambda: torch.autocast("cpu", torch.bfloat16,
                                                    enabled=chosen.precision == "bf16")):
        seconds: list[list[float]] = [[], []]
        for repetition in range(-1, chosen.repetitions):
            for way in (0, 1) if repetition % 2 else (1, 0):
                begin = time.thread_time()
                ways[way]()
                if repetition >= 0:
                    seconds[way].append(time.thread_time() - begin)
        ratio = statistics.median(ours / plain for plain, ours in zip(*seconds, strict=True))
        print(f"{name:58} {1e3 * statistics.median(seconds[0]):9.2f} "
              f"{1e3 * statistics.median(seconds[1]):9.2f} {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
