"""The frozen teacher: right answers, one pass, cached only where images are fixed."""

from __future__ import annotations

import pytest
import torch

from benchmark.components.teacher import Teacher
from benchmark.data.loading.blocks import blocks
from benchmark.data.loading.phase_data import PhaseData
from benchmark.data.sources.source import DataPaths
from benchmark.engine.execute import open_store
from benchmark.method import Phase, Step
from benchmark.model.network import Network
from tests.helpers.tiny import tiny_plan


@pytest.fixture
def second_phase(cache):
    """A network that has learnt two tasks, in the phase of a third: (phase, teacher's answers)."""

    def make(settings=()):
        plan = tiny_plan("had", settings=settings)
        recipe = plan.config.recipe
        store = open_store(plan, DataPaths(cache))
        network = Network(recipe, seed=0)
        old = [store.tasks[name] for name in ("semantic", "depth")]
        for task in old:
            network.add_head(task)
        teacher = Teacher()
        teacher.capture(network)
        block = blocks(plan.config.tasks, 24, "disjoint", "lifelong")[2]
        network.add_head(store.tasks["normal"])
        data = PhaseData(store, block, network.tasks, recipe, 0, torch.device("cpu"))
        expected = Network(recipe, seed=0)
        for task in old:
            expected.add_head(task)
        return Phase(3, (store.tasks["normal"],), tuple(old), network, data), teacher, expected

    return make


@pytest.mark.parametrize("settings", [(), ("recipe.crop=[16,16]", "recipe.flip=true")])
@pytest.mark.parametrize("cached", [True, False])
def test_teacher_answers_as_the_old_network_in_eval_mode(cached, settings, second_phase):
    phase, teacher, old = second_phase(settings)
    teacher.begin_phase(phase, cached=cached)
    with torch.no_grad():  # the student moves on; the teacher must not
        for parameter in phase.network.parameters():
            parameter.add_(1.0)
    for batch in phase.data.epoch(1):
        step = Step(phase, batch)
        told = teacher.outputs(step, phase.old_tasks)
        with torch.no_grad():
            right = old.eval().outputs(batch.images, ["semantic", "depth"])
        assert told.keys() == right.keys()
        for task, raw in told.items():
            assert not raw.requires_grad
            torch.testing.assert_close(raw, right[task], rtol=1e-5, atol=1e-6)


def test_cached_teacher_runs_no_network_in_a_step(second_phase, monkeypatch):
    phase, teacher, _ = second_phase()
    teacher.begin_phase(phase)
    monkeypatch.setattr(Network, "stages", lambda *_: pytest.fail("the teacher ran again"))
    for batch in phase.data.epoch(1):
        teacher.outputs(Step(phase, batch), phase.old_tasks)


def test_live_teacher_runs_the_encoder_once_for_all_heads(second_phase, monkeypatch):
    phase, teacher, _ = second_phase(["recipe.crop=[16,16]"])
    teacher.begin_phase(phase)
    passes = []
    stages = Network.stages
    monkeypatch.setattr(Network, "stages",
                        lambda self, *args: passes.append(1) or stages(self, *args))
    batches = list(phase.data.epoch(1))
    for batch in batches:
        teacher.outputs(Step(phase, batch), phase.old_tasks)
    assert len(passes) == len(batches)
