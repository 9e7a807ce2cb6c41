"""The frozen teacher: its outputs, its passes, and its cache where images are fixed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch

from benchmark.components import teacher as teacher_module
from benchmark.components.teacher import Teacher
from benchmark.method import Step
from benchmark.model.network import Network
from benchmark.tasks.losses import kind_of
from tests.helpers.phases import sequence_phase


@pytest.fixture
def third_phase(cache):
    """A phase, a teacher that was captured after the phase before, and an equal old network."""

    def make(settings=()):
        network, old = (sequence_phase(cache, 2, settings=settings).network for _ in range(2))
        teacher = Teacher()
        teacher.capture(network)
        return sequence_phase(cache, 3, network, settings=settings), teacher, old

    return make


@pytest.mark.parametrize("settings", [(), ("recipe.crop=[16,16]", "recipe.flip=true")])
@pytest.mark.parametrize("cached", [True, False])
def test_teacher_predicts_as_the_old_network_in_eval_mode(cached, settings, third_phase):
    phase, teacher, old = third_phase(settings)
    teacher.begin_phase(phase, cached=cached)
    with torch.no_grad():  # training changes the student, never the teacher
        for parameter in phase.network.parameters():
            parameter.add_(1.0)
    for batch in phase.data.epoch(1):
        step = Step(phase, batch)
        outputs = teacher.outputs(step, phase.old_tasks)
        with torch.no_grad():
            right = old.eval().outputs(batch.images, ["semantic", "depth"])
        assert outputs.keys() == right.keys()
        for task, raw in outputs.items():
            assert not raw.requires_grad
            torch.testing.assert_close(raw, right[task], rtol=1e-5, atol=1e-6)


def test_cached_teacher_runs_no_network_in_a_step(third_phase, monkeypatch):
    phase, teacher, _ = third_phase()
    teacher.begin_phase(phase)
    monkeypatch.setattr(Network, "stages", lambda *_: pytest.fail("the teacher ran again"))
    for batch in phase.data.epoch(1):
        teacher.outputs(Step(phase, batch), phase.old_tasks)


@pytest.mark.parametrize("settings", [(), ("recipe.crop=[16,16]", "recipe.flip=true")])
@pytest.mark.parametrize("limit", [2**28, 100])
def test_pseudo_labels_are_those_of_the_outputs_cached_or_not(limit, settings, third_phase,
                                                              monkeypatch):
    monkeypatch.setattr(teacher_module, "LABELS_BYTES", limit)
    phase, teacher, _ = third_phase(settings)
    teacher.begin_phase(phase, labels=True)
    for batch in phase.data.epoch(1):
        step = Step(phase, batch)
        labels, outputs = (found(step, phase.old_tasks)
                           for found in (teacher.pseudo_labels, teacher.outputs))
        for task in phase.old_tasks:
            right = kind_of(task).pseudo_label(outputs[task.name])
            assert labels[task.name].dtype == right.dtype
            assert torch.equal(labels[task.name], right)


def test_outputs_too_large_for_the_device_lie_in_a_file_and_are_the_same(third_phase, monkeypatch,
                                                                         tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    phase, teacher, _ = third_phase()
    found = []
    for share in (1.0, 0.0):
        monkeypatch.setattr(teacher_module, "OUTPUTS_SHARE", share)
        teacher.begin_phase(phase)
        found.append([teacher.outputs(Step(phase, batch), phase.old_tasks)
                      for batch in phase.data.epoch(1)])
    for held, mapped in zip(*found, strict=True):
        assert held.keys() == mapped.keys()
        assert all(torch.equal(held[name], mapped[name]) for name in held)
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    assert not list(tmp_path.iterdir())


def test_cached_pseudo_labels_enlarge_no_output(third_phase, monkeypatch):
    phase, teacher, _ = third_phase()
    teacher.begin_phase(phase, labels=True)
    monkeypatch.setattr(Network, "enlarge", lambda *_: pytest.fail("it was enlarged"))
    classes = [task for task in phase.old_tasks if kind_of(task).class_count]
    assert classes
    for batch in phase.data.epoch(1):
        teacher.pseudo_labels(Step(phase, batch), classes)


def test_live_teacher_runs_the_encoder_once_for_all_heads(third_phase, monkeypatch):
    phase, teacher, _ = third_phase(["recipe.crop=[16,16]"])
    teacher.begin_phase(phase)
    passes = []
    stages = Network.stages
    monkeypatch.setattr(Network, "stages",
                        lambda self, *args: passes.append(1) or stages(self, *args))
    batches = list(phase.data.epoch(1))
    for batch in batches:
        teacher.outputs(Step(phase, batch), phase.old_tasks)
    assert len(passes) == len(batches)
