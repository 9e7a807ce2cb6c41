"""No training step waits for its device, whatever the method and the kinds of its tasks.

On the `meta` device tensors have shapes and no values: what would have to wait for a value cannot
go on. On CUDA, where there is one, torch itself refuses what waits.
"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.data.loading.blocks import blocks
from benchmark.data.loading.phase_data import PhaseData
from benchmark.data.sources.source import DataPaths
from benchmark.engine import evaluate
from benchmark.engine.execute import open_store
from benchmark.method import Step
from benchmark.registry import method_names
from tests.helpers.phases import make_phase, method, trainer
from tests.helpers.tiny import tiny_plan
from tests.helpers.waiting import Waits, never_waiting

ALL_KINDS = ("semantic", "depth", "normal", "edge")
SMALL = ("recipe.head_channels=8",)
DEVICES = ["meta", *(["cuda"] if torch.cuda.is_available() else [])]
CONFIGS = {"gpm": {"images": 2, "positions": 16}, "sgp": {"images": 2, "positions": 16},
           "icarl": {"selection": "random"}}  # herding chooses images of a single task
BEGIN_WITH_TRAINING = {
    "heteroakd_offline": "trains a teacher when its phase begins",
    "jointdistill": "trains a teacher when a phase begins, and reads the student's scores on "
                    "held-out images in the first step of every epoch: the weights of its terms "
                    "are numbers",
    "jointdistill_offline": "as jointdistill",
    "inflora": "takes directions from its images when its phase begins",
}
"""Method -> why its steps are taken on the CPU, from the second one on, where `meta` can train
nothing; every other method is tested from the first step of a phase on."""


def moved(state, device):
    """A state's tensors on another device, but for the keys of exemplars, which are read."""
    if isinstance(state, dict):
        return {key: value if key == "keys" else moved(value, device)
                for key, value in state.items()}
    return state.to(device) if isinstance(state, Tensor) else state


@pytest.fixture
def valueless(monkeypatch):
    """Lets phases begin on `meta`, which has no values to check, no autocast and no optimiser."""
    monkeypatch.setattr(PhaseData, "_any_valid", lambda *_: True)
    monkeypatch.setattr(torch, "autocast", lambda *args, **options: nullcontext())
    for optimiser in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD):
        monkeypatch.setattr(optimiser, "step", lambda self: None)


def begun(name, device, cache):
    """The trainer of a method on a device, in the phase after one of tasks of all kinds, which was
    trained on the CPU; of a bound, in its only phase."""
    learner, network = method(name, **CONFIGS.get(name, {})), None
    old, new = ((), ALL_KINDS) if learner.kind == "bound" else (ALL_KINDS, ("reshading",))
    if old:
        first = make_phase(cache, (), old, "rooms5_s1", SMALL)
        learner.begin_phase(first)
        training = trainer(learner, first)
        while not training.finished:
            training.train_epoch()
        network = first.network.eval()
        learner.end_phase(first)
    phase = make_phase(cache, old, new, "rooms5_s1", SMALL, network, device=device)
    state = moved(learner.state_dict(), device)
    learner = method(name, **CONFIGS.get(name, {}))
    learner.load_state_dict(state)
    learner.begin_phase(phase)
    return trainer(learner, phase)


@pytest.mark.filterwarnings("ignore:.*is a no-op")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", method_names())
def test_no_step_waits_for_its_device(name, device, cache, request):
    if device == "meta":
        device = "cpu" if name in BEGIN_WITH_TRAINING else device
    if device == "meta":
        request.getfixturevalue("valueless")
    training = begun(name, device, cache)
    steps = [Step(training.phase, batch) for batch in training.phase.data.epoch(1)]
    training.phase.network.train()
    training._checked = True  # what hooks return is checked by reading it, once in a phase
    if name in BEGIN_WITH_TRAINING:
        training.train_step(steps.pop(0))
    with never_waiting(device):
        terms = [training.train_step(step) for step in steps]
    assert all(term.device.type == device for each in terms for term in each.values())


def test_methods_that_begin_with_training_exist():
    assert BEGIN_WITH_TRAINING.keys() <= set(method_names())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("regime", ["lifelong", "joint"])
@pytest.mark.parametrize("settings", [(), ("recipe.crop=[16,16]", "recipe.flip=true")])
def test_an_epoch_is_copied_to_the_device_at_its_beginning(settings, regime, device, cache,
                                                           valueless):
    plan = tiny_plan("finetune", "rooms5_s1", settings=settings)
    store = open_store(plan, DataPaths(cache))
    block = blocks(plan.config.tasks, store.count("train"), "disjoint", regime)[0]
    data = PhaseData(store, block, store.tasks, plan.config.recipe, 0, torch.device(device))
    batches = data.epoch(1)
    next(batches)
    with never_waiting(device):
        rest = list(batches)
    if regime == "joint":
        assert rest
    assert all(tensor.device.type == device for batch in rest
               for tensor in (batch.images, batch.positions, *batch.targets.values()))


@pytest.mark.parametrize("device", DEVICES)
def test_evaluation_reads_the_device_once(device, cache, valueless, monkeypatch):
    phase = make_phase(cache, (), ALL_KINDS, "rooms5_s1", SMALL, device=device)
    store = open_store(tiny_plan("finetune", "rooms5_s1", settings=SMALL), DataPaths(cache))
    monkeypatch.setattr(evaluate, "_IMAGES", 2)
    learner, network = method("finetune"), phase.network
    evaluator = evaluate.Evaluator(store, torch.device(device))
    reads, watched = [], ExitStack()

    def predict(network, images, tasks):
        if not reads:  # what is evaluated has arrived
            reads.append(None)
            watched.enter_context(never_waiting(device))
        return network.outputs(images, [task.name for task in tasks])

    def read(tensors):
        watched.close()
        assert all(tensor.device.type == device for tensor in tensors)
        reads.append(len(tensors))
        return [np.zeros(tensor.shape) for tensor in tensors]

    monkeypatch.setattr(evaluate, "read_together", read)
    monkeypatch.setattr(learner, "predict", predict)
    found = evaluator.statistics(learner, network, phase.tasks)
    assert reads[0] is None
    assert len(reads) == 2
    assert found.keys() == set(ALL_KINDS)
    assert all(len(values) == 6 for fields in found.values() for values in fields.values())


def test_values_read_together_are_those_read_one_by_one():
    tensors = [torch.rand(3, 2), torch.arange(5), torch.tensor([[True], [False]]),
               torch.rand(4, dtype=torch.float64)[::2], torch.zeros(0, 3, dtype=torch.int64)]
    for found, tensor in zip(evaluate.read_together(tensors), tensors, strict=True):
        assert found.dtype == tensor.numpy().dtype
        assert np.array_equal(found, tensor.numpy())


@pytest.mark.parametrize(("work", "message"), [
    (lambda values: values.sum().item(), "a value is read"),
    (lambda values: 1 if values.any() else 2, "a value is read"),
    (lambda values: values[values > 0], "indexing by a mask"),
    (lambda values: values.nonzero(), "nonzero"),
    (lambda values: values.masked_select(values > 0), "masked_select"),
    (lambda values: values.unique(), "unique"),
    (lambda values: values + torch.tensor([1.0], device="meta"), "Python values are copied"),
    (lambda values: values.cpu(), "copied to or from"),
    (lambda values: torch.ones(3).to("meta"), "copied to or from")])
def test_what_waits_is_refused_with_its_line(work, message):
    values = torch.zeros(3, device="meta")
    with never_waiting("meta"), pytest.raises(Waits, match=f"{message}.*test_waiting.py, line"):
        work(values)


def test_what_stays_on_the_host_is_not_refused():
    with never_waiting("meta"):
        assert torch.ones(3).sum().item() == 3
        assert len(torch.arange(3)[torch.arange(3) > 0]) == 2
