"""No training step waits for its device, whatever the method and the kinds of its tasks.

On the `meta` device, tensors have shapes and no values: what would have to wait for a value cannot
go on. On CUDA, where there is one, torch itself refuses what waits.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmark.data.loading.array_loader import ArrayLoader
from benchmark.data.loading.phase_data import Batch
from benchmark.data.sources.source import DataPaths
from benchmark.engine.execute import open_store
from benchmark.registry import find_method, method_names
from tests.helpers.phases import make_phase, method, trainer
from tests.helpers.tiny import tiny_plan
from tests.helpers.waiting import NeverWaiting, Waits

ALL_KINDS = ("semantic", "depth", "normal", "edge")
SETTINGS = ("recipe.head_channels=8", "recipe.lr=0.001")
DEVICES = ["meta", *(["cuda"] if torch.cuda.is_available() else [])]
CONFIGS = {"gpm": {"images": 2, "positions": 16}, "sgp": {"images": 2, "positions": 16},
           "icarl": {"selection": "random"}}  # herding chooses images of a single task
BEGIN_WITH_TRAINING = {
    "heteroakd_offline": "trains a teacher when its phase begins",
    "jointdistill": "trains a teacher when a phase begins, and reads the student's scores on "
                    "held-out images in the first step of every epoch: the weights of its terms "
                    "are numbers",
    "jointdistill_offline": "as jointdistill",
}
"""Method -> why its steps are taken on the CPU, from the second one on, where `meta` can train
nothing; every other method is tested from the first step of a phase on."""


class MovedData:
    """A phase's data on another device; every epoch is the first one."""

    def __init__(self, data, device):
        self.data, self.device = data, device
        self.first_epoch = [self._moved(batch) for batch in data.epoch(1)]

    def __len__(self):
        return len(self.data)

    def __getattr__(self, name):
        return getattr(self.data, name)

    def epoch(self, number):
        return iter(self.first_epoch)

    def plain(self, size):
        return map(self._moved, self.data.plain(size))

    def _moved(self, batch):
        return Batch(batch.images.to(self.device), batch.positions.to(self.device),
                     moved(batch.targets, self.device))


def moved(state, device):
    """A state's tensors on another device, but for the keys of exemplars, which are read."""
    if isinstance(state, dict):
        return {key: value if key == "keys" else moved(value, device)
                for key, value in state.items()}
    return state.to(device) if isinstance(state, Tensor) else state


@contextmanager
def never_waiting(device):
    """Fails where a step waits for the device."""
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        with NeverWaiting(torch.device(device)):
            yield
    finally:
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("default")


@pytest.fixture
def second_phase(cache, monkeypatch):
    """A trainer on a device, in the phase after one of tasks of all kinds (bounds: in the first).
    """

    def make(learner, device, settings=()):
        settings, new = (*SETTINGS, *settings), ("reshading",)
        if learner.kind == "bound":
            phase = make_phase(cache, (), ALL_KINDS, "rooms5_s1", settings)
        else:
            phase = first = make_phase(cache, (), ALL_KINDS, "rooms5_s1", settings)
            learner.begin_phase(first)
            begun = trainer(learner, first)
            list(begun.take_steps(1))
            first.network.eval()
            learner.end_phase(first)
            phase = make_phase(cache, ALL_KINDS, new, "rooms5_s1", settings, first.network)
        state = moved(learner.state_dict(), device)
        phase.network.to(device)
        phase = replace(phase, data=MovedData(phase.data, torch.device(device)))
        learner = type(learner)(learner.config)
        learner.load_state_dict(state)
        if device == "meta":  # which has neither autocast nor fused optimisers
            monkeypatch.setattr(torch, "autocast", lambda *args, **options: nullcontext())
        learner.begin_phase(phase)
        begun = trainer(learner, phase)
        if device == "meta":
            monkeypatch.setattr(begun.optimiser, "step", lambda: None)
        return begun

    return make


@pytest.mark.filterwarnings("ignore:.*is a no-op", "ignore:Detected call of `lr_scheduler")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", method_names())
def test_no_step_waits_for_its_device(name, device, second_phase):
    device = "cpu" if name in BEGIN_WITH_TRAINING and device == "meta" else device
    begun = second_phase(method(name, **CONFIGS.get(name, {})), device)
    steps = begun.take_steps(1)
    if name in BEGIN_WITH_TRAINING:
        next(steps)
    with never_waiting(device):
        terms = [terms for _, terms in steps]
    assert terms
    assert all(term.device.type == device for term in terms[0].values())


def test_all_exempt_methods_are_there():
    assert BEGIN_WITH_TRAINING.keys() <= set(method_names())
