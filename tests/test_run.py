"""Runs: what they leave, what they refuse, and what stays when they fail."""

from __future__ import annotations

import errno
import json
import textwrap

import numpy as np
import pytest
import torch
import yaml

from benchmark.data.source import Places
from benchmark.errors import RequestError, RunError
from benchmark.lifelong import BOUNDARY_FILE
from benchmark.options import Options, Stopped
from benchmark.plan import make_plan
from benchmark.record import RECORD_FILE, load, load_statistics
from benchmark.registry import find_method
from benchmark.report.validation import problems
from benchmark.run import execute
from benchmark.train import checkpoint
from tiny import tiny_plan


def test_a_run_leaves_what_the_design_says(tiny):
    outcome = tiny("lwf")
    folder, record = outcome.folder, outcome.record
    assert load(folder) == record
    assert record.status == "complete"
    assert record.run_id == folder.name
    assert [task.name for task in record.tasks] == ["semantic", "depth", "normal"]
    for place, task in enumerate(record.tasks):
        for values in record.matrix[task.name].values():
            assert values[:place] == (None,) * place
        primary = next(metric.name for metric in task.metrics if metric.primary)
        assert None not in record.matrix[task.name][primary][place:]
    assert [(info.task, info.epochs, info.steps, info.images) for info in record.phases] == [
        (task, 2, 4, 16) for task in ("semantic", "depth", "normal")]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["recipe"]["epochs"] == 2
    assert config["method_config"]["temperature"] == 2.0
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [(line["phase"], line["epoch"]) for line in lines] == [
        (phase, epoch) for phase in (1, 2, 3) for epoch in (1, 2)]
    assert set(lines[-1]["losses"]) == {"normal/new", "semantic/old", "depth/old"}
    statistics = load_statistics(folder)
    assert set(statistics) == {(phase, task) for phase in (1, 2, 3)
                               for task in ("semantic", "depth", "normal")[:phase]}
    assert len(statistics[3, "depth"]["abs"]) == record.dataset.eval_images == 6
    assert problems(folder) is None
    assert {file.name for file in (folder / "previews").iterdir()} == {
        "semantic.png", "depth.png", "normal.png"}


def test_costs_are_what_the_checkpoint_holds(tiny):
    for name in ("finetune", "ewc", "lwf", "separate"):
        outcome = tiny(name)
        state = checkpoint.load(outcome.folder / BOUNDARY_FILE)
        network = sum(value.numel() for key, value in state["network"].items()
                      if "running" not in key and "num_batches" not in key)
        assert outcome.record.cost.parameters == network + outcome.record.cost.parameters_added
        assert (outcome.record.cost.carried_bytes > 0) == (name != "finetune")
    backbone = sum(value.numel() for key, value in state["network"].items()
                   if key.startswith("backbone") and "running" not in key
                   and "num_batches" not in key)
    assert outcome.record.cost.parameters_added == 2 * backbone


def test_joint_ends_where_the_last_phase_does(tiny):
    record = tiny("joint").record
    assert record.method.kind == "bound"
    assert [info.task for info in record.phases] == ["semantic+depth+normal"]
    for metrics in record.matrix.values():
        for values in metrics.values():
            assert values[:2] == (None, None)
    assert record.matrix["depth"]["abs"][2] is not None


def test_joint_own_labels_equal_all_labels_masked(tiny):
    """Both kinds of joint run; with uncertainty weighting the weights are learnt."""
    own = tiny("joint", method_settings=["weighting=uncertainty"]).record
    everything = tiny("joint", method_settings=["labels=all"]).record
    assert own.matrix != everything.matrix


@pytest.mark.parametrize("name", ["finetune", "joint", "had", "ewc"])
@pytest.mark.parametrize("split", ["disjoint", "shared"])
def test_a_phase_holds_its_own_images_and_labels_only(name, split, tiny, monkeypatch):
    """Counts what each phase is given, seen through the store."""
    from benchmark.data.store import Store

    asked = []
    array = Store.array

    class Watched(np.ndarray):
        def __getitem__(self, key):
            if isinstance(key, np.ndarray):
                asked.append((self.name, tuple(key)))
            return np.asarray(super().__getitem__(key))

    def watched(self, which, modality):
        found = array(self, which, modality)
        if which == "train":
            found = found.view(Watched)
            found.name = modality
        return found

    monkeypatch.setattr(Store, "array", watched)
    tiny(name, settings=[f"split={split}"])
    tasks = ("semantic", "depth", "normal")
    every = tuple(range(24))
    own = {task: every if split == "shared" else every[8 * k:8 * k + 8]
           for k, task in enumerate(tasks)}
    if name == "joint":
        expected = [("image", every), *own.items()]
    else:
        expected = [entry for task in tasks for entry in (("image", own[task]), (task, own[task]))]
    assert asked == expected


def test_finished_runs_are_skipped_and_overwritten_on_request(tiny):
    first = tiny("finetune")
    written = (first.folder / RECORD_FILE).stat().st_mtime_ns
    second = tiny("finetune")
    assert second.already_done
    assert second.record == first.record
    assert (first.folder / RECORD_FILE).stat().st_mtime_ns == written
    third = tiny("finetune", overwrite=True)
    assert not third.already_done
    assert third.record.matrix == first.record.matrix
    assert (first.folder / RECORD_FILE).stat().st_mtime_ns != written


def test_two_processes_never_share_a_run(tiny):
    from filelock import FileLock

    folder = tiny("finetune").folder
    with FileLock(folder / ".lock"), pytest.raises(RequestError, match="by another process"):
        tiny("finetune", overwrite=True)
    assert (folder / RECORD_FILE).exists()


PLUG_IN = """
    import torch
    from benchmark.method import Method

    class Broken(Method):
        name = "broken"
        summary = "fails in the second phase"
        family = "test"

        def loss(self, step):
            terms = step.new_losses()
            if step.phase.number == 2:
                terms["semantic/odd"] = {term}
            return terms
"""


def plug_in(folder, term):
    path = folder / "broken.py"
    path.write_text(textwrap.dedent(PLUG_IN).replace("{term}", term))
    return str(path)


def test_a_loss_that_is_not_finite_stops_the_run_and_is_recorded(tiny, tmp_path):
    method = plug_in(tmp_path, "step.features.sum() * float('nan')")
    with pytest.raises(RunError) as error:
        tiny(method)
    for word in ("nan", "phase 2", "epoch 1", "step 1", "semantic", "odd"):
        assert word in str(error.value)
    (folder,) = (tmp_path / "runs").iterdir()
    record = load(folder)
    assert record.status == "failed"
    assert record.reason == str(error.value)
    assert record.matrix["semantic"]["miou"][0] is not None
    assert record.matrix["semantic"]["miou"][1:] == (None, None)
    assert "failed" in problems(folder)


def test_running_out_of_memory_is_recorded(tiny, tmp_path):
    method = plug_in(tmp_path, "(_ for _ in ()).throw(MemoryError('no room'))")
    with pytest.raises(RunError, match=r"out of memory.*recipe.batch"):
        tiny(method)
    (folder,) = (tmp_path / "runs").iterdir()
    assert "out of memory" in load(folder).reason


def test_a_failed_run_is_tried_again_from_its_last_phase(tiny, tmp_path):
    with pytest.raises(RunError):
        tiny(plug_in(tmp_path, "step.features.sum() * float('inf')"))
    (folder,) = (tmp_path / "runs").iterdir()
    assert load(folder).status == "failed"
    with pytest.raises(RunError):
        tiny(str(tmp_path / "broken.py"))
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_a_full_disk_leaves_valid_files_and_the_run_can_go_on(tiny, tmp_path, monkeypatch):
    whole = tiny("had", runs=tmp_path / "whole")
    save = checkpoint.save
    calls = []

    def full(path, state):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, state)

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(RunError, match=r"No space left.*stays valid"):
        tiny("had")
    monkeypatch.setattr(checkpoint, "save", save)
    (folder,) = (tmp_path / "runs").iterdir()
    assert not (folder / RECORD_FILE).exists()
    assert not list(folder.glob(".*safetensors*"))
    resumed = tiny("had")
    assert resumed.record.matrix == whole.record.matrix


def test_disk_filling_up_inside_a_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    checkpoint.save(path, {"a": torch.ones(3), 1: [2, "x", None, True]})

    def broken(tensors, file, metadata):
        with open(file, "wb") as out:
            out.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", broken)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, {"a": torch.zeros(3)})
    found = checkpoint.load(path)
    assert torch.equal(found.pop("a"), torch.ones(3))
    assert found == {1: [2, "x", None, True]}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b"",
                                    lambda b: b[:200] + bytes(90) + b[290:]])
def test_a_damaged_checkpoint_is_named(damage, tiny, tmp_path):
    with pytest.raises(Stopped):
        tiny("finetune", stop_when=lambda phase, epoch: True)
    (file,) = (tmp_path / "runs").glob(f"*/{BOUNDARY_FILE}")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(RunError, match=f"{BOUNDARY_FILE} is damaged.*--overwrite"):
        tiny("finetune")


def test_too_few_images_for_the_phases(tiny):
    with pytest.raises(RequestError, match="2 training images cannot be cut into 3 blocks"):
        tiny("finetune", settings=["dataset.train=2"])


def test_plug_in_by_path_runs_and_its_code_is_part_of_the_run(tiny, tmp_path):
    path = plug_in(tmp_path, "step.features.mean() * 0.0")
    first = tiny(path)
    assert first.record.status == "complete"
    assert first.record.method.name == "broken"
    plug_in(tmp_path, "step.features.mean() * 0.5")
    assert tiny(path).folder != first.folder


@pytest.mark.parametrize(("text", "told"), [
    ("x = 1", "defines 0 methods"), ("import no_such_module", "cannot be imported"),
    ("def f(:", "cannot be imported")])
def test_a_file_that_is_no_method_is_refused(text, told, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(text)
    with pytest.raises(RequestError, match=told):
        find_method(str(path))


def test_edited_updates_are_applied_after_the_optimiser(tiny, tmp_path):
    """A method that takes back every step of the backbone leaves it as it was, under Adam too."""
    path = tmp_path / "still.py"
    path.write_text(textwrap.dedent("""
        from benchmark.method import Method

        class Still(Method):
            name = "still"
            summary = "takes back the backbone's steps after phase 1"
            family = "test"

            def edit_update(self, step, before):
                if step.phase.number > 1:
                    for name, value in step.network.named_parameters():
                        if name.startswith("backbone"):
                            value.copy_(before[name])
    """))
    matrix = tiny(str(path), settings=["recipe.batch_norm=freeze_stats"]).record.matrix
    for values in matrix["semantic"].values():
        assert len(set(values)) == 1


def test_bf16_runs_on_the_cpu(cache, tmp_path):
    plan = tiny_plan("had", settings=["recipe.precision=bf16"])
    options = Options(runs=tmp_path, places=Places(cache), device="cpu")
    assert execute(plan, options).record.environment["precision"] == "bf16"


def test_a_phase_without_one_valid_pixel_names_its_file(cache, tmp_path):
    from PIL import Image

    for number in range(4):
        for kind, value in (("rgb", 90), ("mask", 255 if number == 0 else 1)):
            (tmp_path / kind).mkdir(exist_ok=True)
            pixels = np.full((16, 16, 3) if kind == "rgb" else (16, 16), value, np.uint8)
            Image.fromarray(pixels).save(tmp_path / kind / f"scene{number}.png")
    (tmp_path / "mine.yaml").write_text("""
        family: mine
        about: Two masks of one kind.
        dataset:
          name: folder
          root: .
          images: rgb/*.png
          tasks:
            mask: {kind: segmentation, files: mask/*.png, encoding: index, classes: 2, void: 255}
            again: {kind: segmentation, files: mask/*.png, encoding: index, classes: 2, void: 255}
          split: {eval: [scene3]}
        tasks: [mask, again]
        recipe: tabletop
    """)
    plan = make_plan("finetune", str(tmp_path / "mine.yaml"),
                     settings=["recipe.epochs=1", "recipe.crop=[8,8]"])
    options = Options(runs=tmp_path / "runs", places=Places(cache), device="cpu")
    with pytest.raises(RequestError, match=r"'mask' has no valid pixel.*mask/scene0\.png"):
        execute(plan, options)
