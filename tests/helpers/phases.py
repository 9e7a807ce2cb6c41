"""Phases of tiny rooms in which a method's hooks are called by hand, without a run around them."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from benchmark.data.loading.blocks import Block, blocks
from benchmark.data.loading.phase_data import PhaseData
from benchmark.data.sources.source import DataPaths
from benchmark.engine.environment import make_fabric
from benchmark.engine.execute import open_store
from benchmark.engine.trainer import PhaseTrainer, train_phase
from benchmark.method import Phase, Step
from benchmark.model.network import Network
from benchmark.registry import find_method
from tests.helpers.tiny import tiny_plan

IMAGES = 8


def method(name, **options):
    """A method by its name, with settings."""
    kind = find_method(name)
    return kind(kind.Config(**options))


def make_phase(cache, old=("semantic", "depth"), new=("normal",), sequence="rooms_s1", settings=(),
               network=None, new_backbone=False, device="cpu"):
    """The phase in which `new` is learnt after `old`, on the first images."""
    plan = tiny_plan("finetune", sequence, settings=settings)
    store = open_store(plan, DataPaths(cache))
    block = Block(tuple(new), np.arange(IMAGES), dict.fromkeys(new, (0, IMAGES)))
    return _phase(plan, store, block, len(old) + 1, old, network, new_backbone, device)


def sequence_phase(cache, number, network=None, sequence="rooms_s1", settings=()):
    """Phase `number` of a tiny run, on the images of its own block; with `network`, one of an
    earlier phase, which gets the heads that it lacks."""
    plan = tiny_plan("finetune", sequence, settings=settings)
    store, order = open_store(plan, DataPaths(cache)), plan.config.tasks
    block = blocks(order, store.count("train"), "disjoint", "lifelong")[number - 1]
    return _phase(plan, store, block, number, order[:number - 1], network)


def _phase(plan, store, block, number, old, network, new_backbone=False, device="cpu"):
    recipe = plan.config.recipe
    network = (network or Network(recipe, seed=0)).to(device)
    for name in (*old, *block.tasks):
        if name not in network.tasks:
            network.add_head(store.tasks[name])
    data = PhaseData(store, block, store.tasks, recipe, number, torch.device(device))
    train = partial(train_phase, make_fabric("cpu", recipe.precision))
    return Phase(number, tuple(store.tasks[name] for name in block.tasks),
                 tuple(store.tasks[name] for name in old), network, data, train, new_backbone)


def steps(phase, epoch=1):
    """The steps of an epoch, the network in train mode."""
    phase.network.train()
    return [Step(phase, batch) for batch in phase.data.epoch(epoch)]


def trainer(learner, phase, precision="fp32"):
    """A method's trainer in a phase that the method has begun."""
    return PhaseTrainer(phase, learner, phase.network.recipe, 0, make_fabric("cpu", precision))


def perturbed(network, seed=0, amount=0.05):
    """The same network, with noise added to its weights."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(amount * torch.randn(parameter.shape, generator=generator))
    return network


def after_first_phase(name, cache, **options):
    """A method that has ended a phase of two tasks, and a later phase that it has not begun, whose
    network differs from the one at that end."""
    settings = options.pop("settings", ())
    learner, phase = method(name, **options), make_phase(cache, settings=settings)
    first = make_phase(cache, (), ("semantic", "depth"), settings=settings)
    learner.begin_phase(first)
    for step in steps(first):
        learner.loss(step)
    first.network.eval()
    learner.end_phase(first)
    perturbed(phase.network)
    return learner, phase
