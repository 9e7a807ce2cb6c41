"""Optimiser and learning-rate schedule of one phase, as the recipe says."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR, PolynomialLR

from benchmark.config.recipe import Recipe

_ADAMS = {"adam": Adam, "adamw": AdamW}


def make_optimiser(parameters: Iterable[nn.Parameter], recipe: Recipe,
                   steps: int) -> tuple[Optimizer, LRScheduler]:
    """A new optimiser over `parameters` and its schedule over `steps` steps.

    A parameter without gradient (a head not in use) is left alone, weight decay included.
    """
    learnt = list(parameters)
    optimiser: Optimizer
    if recipe.optimizer == "sgd":
        optimiser = SGD(learnt, lr=recipe.lr, momentum=recipe.momentum,
                        weight_decay=recipe.weight_decay, fused=True)
    else:
        optimiser = _ADAMS[recipe.optimizer](learnt, lr=recipe.lr, fused=True,
                                             weight_decay=recipe.weight_decay)
    if recipe.schedule == "onecycle":
        return optimiser, OneCycleLR(optimiser, max_lr=recipe.lr, total_steps=steps)
    if recipe.schedule == "poly":
        return optimiser, PolynomialLR(optimiser, total_iters=steps, power=0.9)
    return optimiser, ConstantLR(optimiser, factor=1.0)
