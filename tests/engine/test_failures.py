"""Runs that fail: the message, the record, and what stays valid."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from benchmark.data.sources.source import DataPaths
from benchmark.engine import checkpoint
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError, RunError
from benchmark.record import RECORD_FILE, load_record
from benchmark.report.submission.validation import first_problem
from tests.helpers.plug_ins import plug_in
from tests.helpers.tiny import tiny_plan


def test_a_loss_that_is_not_finite_stops_the_run_and_is_recorded(tiny, tmp_path):
    method = plug_in(tmp_path, "step.features.sum() * float('nan')")
    with pytest.raises(RunError) as error:
        tiny(method)
    for word in ("nan", "phase 2", "epoch 1", "step 1", "semantic", "odd"):
        assert word in str(error.value)
    (folder,) = (tmp_path / "runs").iterdir()
    record = load_record(folder)
    assert record.status == "failed"
    assert record.reason == str(error.value)
    assert record.matrix["semantic"]["miou"][0] is not None
    assert record.matrix["semantic"]["miou"][1:] == (None, None)
    assert "failed" in first_problem(folder)


def test_running_out_of_memory_is_recorded(tiny, tmp_path):
    method = plug_in(tmp_path, "(_ for _ in ()).throw(MemoryError('no room'))")
    with pytest.raises(RunError, match=r"out of memory.*recipe.batch"):
        tiny(method)
    (folder,) = (tmp_path / "runs").iterdir()
    assert "out of memory" in load_record(folder).reason


@pytest.mark.parametrize(("error", "reason"), [
    ("ValueError('no such teacher')", "ValueError: no such teacher in phase 2"),
    ("ValueError()", "ValueError in phase 2"),
    ("KeyError('depth')", "KeyError: 'depth' in phase 2"),
    ("FileNotFoundError(2, 'No such file', 'weights.pt')", "FileNotFoundError: .* in phase 2"),
    ("MemoryError()", "out of memory in phase 2 "),
    ("RuntimeError(\"DefaultCPUAllocator: can't allocate memory: you tried\")",
     "out of memory in phase 2: Default"),
    ("SystemExit(0)", r"left the program \(exit 0\) in phase 2")])
def test_any_error_of_a_method_is_recorded_with_its_place(error, reason, tiny, tmp_path):
    with pytest.raises(RunError, match=rf"{reason}.*broken\.py, line 13, in ") as told:
        tiny(plug_in(tmp_path, f"(_ for _ in ()).throw({error})"))
    (folder,) = (tmp_path / "runs").iterdir()
    record = load_record(folder)
    assert (record.status, record.reason) == ("failed", str(told.value))
    assert record.matrix["semantic"]["miou"][0] is not None
    assert record.cost is not None
    assert "\n" not in record.reason


@pytest.mark.parametrize(("hook", "phase", "cost"), [
    ("__init__(self, config): raise TypeError('no')", 1, False),
    ("begin_phase(self, phase): raise TypeError('no')", 1, True),
    ("end_phase(self, phase): raise TypeError('no')", 1, True),
    ("predict(self, network, images, tasks): raise TypeError('no')", 1, True),
    ("state_dict(self): raise TypeError('no')", 1, True),
    ("parameters_added(self, network): raise TypeError('no')", 1, False)])
def test_every_hook_may_fail(hook, phase, cost, tiny, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text("from benchmark.method import Method\nclass Odd(Method):\n    name = 'odd'\n"
                    f"    def {hook}\n")
    with pytest.raises(RunError, match=rf"TypeError: no in phase {phase} .*odd\.py, line 4"):
        tiny(str(path))
    (folder,) = (tmp_path / "runs").iterdir()
    record = load_record(folder)
    assert record.status == "failed"
    assert (record.cost is not None) == cost


def test_a_wrong_count_is_told_after_the_first_phase(tiny, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text("from benchmark.method import Method\nclass Odd(Method):\n    name = 'odd'\n"
                    "    def parameters_added(self, network): return 2.5\n")
    with pytest.raises(RunError, match=r"parameters_added of method 'odd' .*returned 2\.5"):
        tiny(str(path))
    (folder,) = (tmp_path / "runs").iterdir()
    assert load_record(folder).phases[0].task == "semantic"
    assert len(load_record(folder).phases) == 1


def test_a_recipe_that_does_not_fit_memory_is_recorded(tiny, tmp_path):
    with pytest.raises(RunError, match=r"out of memory in phase 1.*lower recipe\.batch"):
        tiny("finetune", settings=["recipe.head_channels=100000000"])
    (folder,) = (tmp_path / "runs").iterdir()
    assert load_record(folder).status == "failed"


def test_a_damaged_record_is_written_again_from_the_state(tiny, capsys):
    run = tiny("finetune")
    written = json.loads((run.folder / RECORD_FILE).read_text())
    (run.folder / RECORD_FILE).write_text("{")
    again = tiny("finetune")
    assert not again.already_done
    assert "not a record" in capsys.readouterr().err
    assert json.loads((run.folder / RECORD_FILE).read_text()) == written


def test_a_record_of_another_version_is_left_alone(tiny):
    path = tiny("finetune").folder / RECORD_FILE
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(RequestError, match="written by a newer lhlbench"):
        tiny("finetune")
    assert '"schema": 2' in path.read_text()


def test_a_module_that_leaves_the_program_is_refused(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(RequestError, match=r"odd\.py cannot be imported: SystemExit: 0"):
        tiny_plan(str(path))


def test_a_failed_run_is_tried_again_from_its_last_phase(tiny, tmp_path):
    with pytest.raises(RunError):
        tiny(plug_in(tmp_path, "step.features.sum() * float('inf')"))
    (folder,) = (tmp_path / "runs").iterdir()
    assert load_record(folder).status == "failed"
    with pytest.raises(RunError):
        tiny(str(tmp_path / "broken.py"))
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_a_full_disk_leaves_valid_files_and_the_run_can_go_on(tiny, tmp_path, monkeypatch):
    whole = tiny("had", runs=tmp_path / "whole")
    save = checkpoint.save_state
    calls = []

    def full(path, *state, **places):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, *state, **places)

    monkeypatch.setattr(checkpoint, "save_state", full)
    with pytest.raises(RunError, match=r"No space left.*stays valid"):
        tiny("had")
    monkeypatch.setattr(checkpoint, "save_state", save)
    (folder,) = (tmp_path / "runs").iterdir()
    assert "No space left" in load_record(folder).reason
    assert not list(folder.glob(".*safetensors*"))
    resumed = tiny("had")
    assert resumed.record.matrix == whole.record.matrix


def test_disk_filling_up_inside_a_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    checkpoint.save_state(path, {"a": torch.ones(3), 1: [2, "x", None, True]})

    def broken(tensors, file, metadata):
        with open(file, "wb") as out:
            out.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", broken)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save_state(path, {"a": torch.zeros(3)})
    found = checkpoint.load_state(path)
    assert torch.equal(found.pop("a"), torch.ones(3))
    assert found == {1: [2, "x", None, True]}
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_as_such_by_safetensors_too(tiny, tmp_path, monkeypatch):
    def full(tensors, file, metadata):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(RunError, match=r"cannot be written: No space left.*stays valid"):
        tiny("finetune")


def test_too_few_images_for_the_phases(tiny, tmp_path):
    with pytest.raises(RequestError, match="2 training images cannot be cut into 3 blocks"):
        tiny("finetune", settings=["dataset.train=2"])
    assert not list((tmp_path / "runs").iterdir())


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
    plan = make_plan(RunRequest("finetune", str(tmp_path / "mine.yaml"),
                                settings=("recipe.epochs=1", "recipe.crop=[8,8]")))
    options = Options(runs=tmp_path / "runs", data_paths=DataPaths(cache), device="cpu")
    with pytest.raises(RequestError, match=r"'mask' has no valid pixel.*mask/scene0\.png"):
        execute(plan, options)


@pytest.mark.parametrize(("settings", "method_settings", "message"), [
    (["recipe.lr=.inf"], [], "recipe: lr: inf is not a finite number"),
    (["recipe.lr=1e400"], [], "recipe: lr: inf is not a finite number"),
    (["recipe.scales=[1.0, .inf]"], [], "recipe: scales.1: inf is not a finite number"),
    (["recipe.weight_decay=.nan"], [], "recipe: weight_decay: "),
    (["held_out=.nan"], [], "held_out: nan is not a finite number"),
    ([], ["weight=.inf"], r"--method-set \(ewc\): weight: inf is not a finite number"),
    (["recipe.lr=2001-99-99"], [], "'2001-99-99' is not a YAML value"),
    (["recipe.lr=!!int abc"], [], "'!!int abc' is not a YAML value"),
    (["recipe.lr=" + "9" * 5000], [], "is not a YAML value"),
    (["recipe.crop=" + "[" * 5000], [], "is not a YAML value")])
def test_settings_no_record_could_hold_are_refused(settings, method_settings, message):
    with pytest.raises(RequestError, match=message):
        tiny_plan("ewc", settings=settings, method_settings=method_settings)
