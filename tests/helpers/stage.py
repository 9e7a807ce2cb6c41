"""A method taken through its phases by hand, for tests of what it keeps and what a step adds."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from benchmark.data.loading.blocks import blocks
from benchmark.data.loading.phase_data import PhaseData
from benchmark.data.sources.source import DataPaths
from benchmark.engine.execute import open_store
from benchmark.method import Phase, Step
from benchmark.model.network import Network, upsample
from benchmark.registry import find_method
from benchmark.tasks.losses import kind_of
from tests.helpers.tiny import tiny_plan

CROP = ("recipe.crop=[16,16]", "recipe.flip=true")


class Stage:
    """A replay method and a network; phases begin and end, but nothing is learnt in them."""

    def __init__(self, cache, method, sequence="rooms_s1", settings=(), **config):
        plan = tiny_plan(method, sequence, settings=settings)
        self.recipe, self.order = plan.config.recipe, plan.config.tasks
        self.store = open_store(plan, DataPaths(cache))
        self.network = Network(self.recipe, seed=0)
        self.method = find_method(method)(find_method(method).Config(**config))
        self.number = 0

    def begin(self):
        self.number += 1
        block = blocks(self.order, self.store.count("train"), "disjoint", "lifelong")[
            self.number - 1]
        old, (name,) = tuple(self.network.tasks.values()), block.tasks
        self.network.add_head(self.store.task(name))
        data = PhaseData(self.store, block, self.network.tasks, self.recipe, self.number,
                         torch.device("cpu"))
        self.phase = Phase(self.number, (self.store.task(name),), old, self.network, data)
        self.method.begin_phase(self.phase)
        self.network.train()
        return self

    def end(self):
        self.network.eval()
        self.method.end_phase(self.phase)
        return self

    def at(self, number):
        """In phase `number`, all before it ended."""
        while self.number < number:
            if self.number:
                self.end()
            self.begin()
        self.network.passes.forward = self.network.passes.backward = 0
        return self

    def step(self):
        """The first step of the phase, always anew."""
        return Step(self.phase, next(iter(self.phase.data.epoch(1))))

    def twin(self):
        """The same step on a copy of the network."""
        twin = replace(self.phase, network=deepcopy(self.network))
        return Step(twin, next(iter(self.phase.data.epoch(1))))

    def drawn(self, times=1):
        """What the method draws next."""
        state = torch.get_rng_state()
        draws = [self.method.sample() for _ in range(times)]
        torch.set_rng_state(state)
        return draws


def outputs(step, groups):
    """Raw outputs of the groups' own heads, the long way: all images as one batch, modes by
    hand."""
    network = step.network
    images = torch.cat([step.images, *(group.images for group in groups)])
    features = network.backbone((images - network.mean) / network.deviation)[len(step.images):]
    found, start = [], 0
    for group in groups:
        found.append(network.heads[group.task].eval()(features[start:start + len(group)]))
        start += len(group)
    network.train()
    return [raw.detach() for raw in found]


def supervised(step, groups, raws):
    """Losses of the groups from their raw outputs, in float64."""
    return [kind_of(step.network.tasks[group.task]).loss(
        upsample(raw.double(), group.size), group.targets) for group, raw in
        zip(groups, raws, strict=True)]


def assert_means(terms, name, weight, groups, losses, old):
    """The terms are `weight` times the mean over the tasks present, 0 for the others."""
    expected = {task.name: 0.0 for task in old}
    for group, loss in zip(groups, losses, strict=True):
        expected[group.task] = weight * float(loss) / len(groups)
    found = {key.split("/")[0]: float(term.detach()) for key, term in terms.items()
             if key.endswith(f"/{name}")}
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
