"""A replay method taken through its phases by hand, and slow references of its losses."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from benchmark.method import Step
from benchmark.model.heads import upsample
from benchmark.tasks.kinds import kind_of
from tests.helpers.phases import method, sequence_phase

CROP = ("recipe.crop=[16,16]", "recipe.flip=true")


class ReplayPhases:
    """A replay method whose phases begin and end, without any training in them."""

    def __init__(self, cache, name, sequence="rooms_s1", settings=(), **config):
        self._phase_of = lambda number, network: sequence_phase(cache, number, network, sequence,
                                                                settings)
        self.method = method(name, **config)
        self.phase = self.network = None

    def begin(self):
        """Begin the next phase."""
        number = self.phase.number + 1 if self.phase else 1
        self.phase = self._phase_of(number, self.network)
        self.network = self.phase.network
        self.method.begin_phase(self.phase)
        self.network.train()
        return self

    def end(self):
        """End the current phase."""
        self.network.eval()
        self.method.end_phase(self.phase)
        return self

    def in_phase(self, number):
        """Go on to phase `number`, all before it ended."""
        while self.phase is None or self.phase.number < number:
            if self.phase:
                self.end()
            self.begin()
        self.network.passes.forward = self.network.passes.backward = 0
        return self

    def step(self):
        """The first step of the phase, with nothing computed yet."""
        return Step(self.phase, next(iter(self.phase.data.epoch(1))))

    def step_on_copy(self):
        """The same step on a copy of the network."""
        copied = replace(self.phase, network=deepcopy(self.network))
        return Step(copied, next(iter(self.phase.data.epoch(1))))

    def next_samples(self, times=1):
        """The groups of exemplars that the method samples next, without advancing the generator."""
        state = torch.get_rng_state()
        samples = [self.method.sample() for _ in range(times)]
        torch.set_rng_state(state)
        return samples


def raw_outputs(step, groups):
    """Raw outputs of the groups' own heads: all images as one batch, train and eval mode set by
    hand."""
    network = step.network
    images = torch.cat([step.images, *(group.images for group in groups)])
    features = network.backbone((images - network.mean) / network.deviation)[len(step.images):]
    raws, start = [], 0
    for group in groups:
        raws.append(network.heads[group.task].eval()(features[start:start + len(group)]))
        start += len(group)
    network.train()
    return [raw.detach() for raw in raws]


def supervised_losses(step, groups, raws):
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
