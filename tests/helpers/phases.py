"""A phase of tiny rooms to call a method's hooks in, without a run around it."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.data.loading.blocks import Block
from benchmark.data.loading.phase_data import PhaseData
from benchmark.data.sources.source import DataPaths
from benchmark.engine.environment import make_fabric
from benchmark.engine.execute import open_store
from benchmark.engine.trainer import PhaseTrainer
from benchmark.method import Phase, Step
from benchmark.model.network import Network
from benchmark.registry import find_method
from tests.helpers.tiny import tiny_plan

IMAGES = 8


def method(name, **options):
    kind = find_method(name)
    return kind(kind.Config(**options))


def make_phase(cache, old=("semantic", "depth"), new=("normal",), sequence="rooms_s1", settings=(),
               network=None, new_backbone=False):
    """The phase in which `new` is learnt after `old`, on the first images."""
    plan = tiny_plan("finetune", sequence, settings=settings)
    store, recipe = open_store(plan, DataPaths(cache)), plan.config.recipe
    network = network or Network(recipe, seed=0)
    for name in (*old, *new):
        if name not in network.tasks:
            network.add_head(store.tasks[name])
    block = Block(tuple(new), np.arange(IMAGES), dict.fromkeys(new, (0, IMAGES)))
    data = PhaseData(store, block, store.tasks, recipe, 0, torch.device("cpu"))
    return Phase(len(old) + 1, tuple(store.tasks[name] for name in new),
                 tuple(store.tasks[name] for name in old), network, data, new_backbone)


def steps(phase, epoch=1):
    phase.network.train()
    return [Step(phase, batch) for batch in phase.data.epoch(epoch)]


def trainer(chosen, phase, precision="fp32"):
    """Begins the phase and stands ready to train it."""
    chosen.begin_phase(phase)
    return PhaseTrainer(phase, chosen, phase.network.recipe, 0, make_fabric("cpu", precision))


def shaken(network, seed=0, amount=0.05):
    """The same network, its weights moved at random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(amount * torch.randn(parameter.shape, generator=generator))
    return network


def taught(name, cache, **options):
    """A method, about to begin a phase in which the network has moved from what it taught."""
    settings = options.pop("settings", ())
    chosen, phase = method(name, **options), make_phase(cache, settings=settings)
    first = make_phase(cache, (), ("semantic", "depth"), settings=settings)
    chosen.begin_phase(first)
    for step in steps(first):
        chosen.loss(step)
    first.network.eval()
    chosen.end_phase(first)
    shaken(phase.network)
    return chosen, phase
