"""Finished runs put to use: what their weights hold, who may open them, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import textwrap

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import benchmark
from benchmark.config.shipped import shipped
from benchmark.data.sources.source import DataPaths
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.errors import LhlbenchError, RequestError, RunError
from benchmark.tasks.losses import kind_of
from tests.helpers.tiny import tiny_plan

SHORT = ("dataset.train=20", "dataset.eval=4", "recipe.epochs=1", "recipe.head_channels=8")


def short_run(runs, cache, method, sequence="rooms5_s1"):
    plan = tiny_plan(method, sequence, settings=SHORT)
    return execute(plan, Options(runs=runs, data_paths=DataPaths(cache), device="cpu"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cache):
    """A run of a method that predicts in its own way, on tasks of all four kinds."""
    return short_run(tmp_path_factory.mktemp("runs"), cache, "lora")


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the run, to be tampered with."""
    return shutil.copytree(finished.folder, tmp_path / "copies" / finished.folder.name)


def metadata(folder):
    with safe_open(folder / "weights.safetensors", "pt") as file:
        return file.metadata()


def test_any_reader_of_safetensors_finds_the_network_by_its_own_names(finished):
    tensors = load_file(finished.folder / "weights.safetensors")
    trained = benchmark.load_network(finished.folder)
    own = {name: value for name, value in tensors.items() if not name.startswith("method.")}
    assert own.keys() == trained.network.state_dict().keys()
    assert all(torch.equal(value, own[name])
               for name, value in trained.network.state_dict().items())
    assert {name.split(".")[0] for name in tensors} == {"backbone", "heads", "method"}
    assert any("lora_A" in name and name.startswith("method.home.own.depth.") for name in tensors)


def test_weights_and_record_name_each_other(finished):
    about, record = metadata(finished.folder), finished.record
    content = (finished.folder / "record.json").read_bytes()
    assert about["record"] == hashlib.sha256(content).hexdigest()
    assert (about["format"], about["run"]) == ("1", json.loads(content)["run_id"])
    tasks = json.loads(about["tasks"])
    assert [(task["name"], task["kind"]) for task in tasks] == [
        (task.name, task.kind) for task in record.tasks]
    assert {task["name"]: task["channels"] for task in tasks}["semantic"] == 14


def test_a_network_that_predicts_alone_carries_nothing_of_its_method(tiny):
    folder = tiny("er", settings=SHORT).folder
    tensors = load_file(folder / "weights.safetensors")
    assert {name.split(".")[0] for name in tensors} == {"backbone", "heads"}


def test_predictions_are_in_the_tasks_own_unit(finished):
    trained = benchmark.load_network(finished.folder)
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 30, 41), np.uint8)
    maps = trained.predict(images)
    assert list(maps) == list(trained.tasks) == [task.name for task in finished.record.tasks]
    found = {name: (tuple(each.shape), each.dtype) for name, each in maps.items()}
    assert found == {"semantic": ((2, 30, 41), torch.uint8), "edge": ((2, 30, 41), torch.float32),
                     "normal": ((2, 3, 30, 41), torch.float32),
                     "depth": ((2, 1, 30, 41), torch.float32),
                     "reshading": ((2, 1, 30, 41), torch.float32)}
    assert maps["semantic"].max() < 14
    assert 0 <= maps["edge"].min() <= maps["edge"].max() <= 1
    torch.testing.assert_close(maps["normal"].norm(dim=1), torch.ones(2, 30, 41))


def test_images_may_come_in_either_form_and_alone(finished):
    trained = benchmark.load_network(finished.folder)
    images = torch.randint(0, 256, (3, 24, 32), dtype=torch.uint8)
    (alone,) = trained.predict(images, ["normal"]).values()
    (scaled,) = trained.predict(images.float()[None] / 255, ["normal"]).values()
    assert torch.equal(alone, scaled)


def test_predictions_are_those_of_the_plain_module_where_it_predicts_alone(tiny):
    trained = benchmark.load_network(tiny("finetune", settings=SHORT).folder)
    images = torch.rand(2, 3, 24, 32)
    with torch.no_grad():
        raw = trained.network.outputs(images, ["depth", "semantic"])
    maps = trained.predict(images)
    for name, value in raw.items():
        assert torch.equal(kind_of(trained.tasks[name]).prediction(value), maps[name])


@pytest.mark.parametrize(("images", "message"), [
    (torch.zeros(1, 24, 32), r"images are \[B, 3, H, W\] or \[3, H, W\], not \[1, 24, 32\]"),
    (torch.zeros(0, 3, 24, 32), r"not \[0, 3, 24, 32\]"),
    (np.zeros((24, 32, 3), np.uint8), r"not \[24, 32, 3\]"),
    (torch.full((3, 8, 8), 200.0), "floating point from 0 to 1"),
    (torch.full((3, 8, 8), torch.nan), "floating point from 0 to 1"),
    (torch.zeros(3, 8, 8, dtype=torch.int64), "not torch.int64")])
def test_other_images_are_refused(images, message, finished):
    with pytest.raises(RequestError, match=message):
        benchmark.load_network(finished.folder).predict(images)


def test_a_run_is_found_by_path_id_and_the_beginning_of_its_id(finished):
    runs, name = finished.folder.parent, finished.folder.name
    for given in (finished.folder, finished.folder / "record.json", name, name[:6]):
        assert benchmark.load_network(given, runs).folder == finished.folder


@pytest.mark.parametrize(("name", "message"), [
    ("lora-rooms", "2 runs begin with 'lora-rooms': lora-rooms5"),
    ("lara-rooms5_s1-seed0", "unknown run 'lara-rooms5_s1-seed0'. Did you mean lora-rooms5_s1"),
    ("*", "unknown run '\\*'"), ("", "unknown run ''")])
def test_names_of_no_run_and_of_several(name, message, folder):
    shutil.copytree(folder, folder.parent / "lora-rooms_s9")
    with pytest.raises(RequestError, match=message):
        benchmark.load_network(name, folder.parent)


def test_published_runs_and_empty_folders_say_what_to_do(tmp_path):
    published = next(shipped("results/published").rglob("record.json")).parent
    with pytest.raises(RequestError, match="is a published run: its record was kept"):
        benchmark.load_network(published.name, tmp_path)
    with pytest.raises(RequestError, match=r"none at all in .*; --runs names another folder"):
        benchmark.load_network("had", tmp_path)


def rewritten(folder, **changes):
    """The weights with other metadata, as a later version or a forger would write them."""
    path = folder / "weights.safetensors"
    save_file(load_file(path), path, metadata={**metadata(folder), **changes})


def flip(folder):
    path = folder / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 4
    path.write_bytes(content)


def edit_record(folder):
    path = folder / "record.json"
    path.write_text(path.read_text().replace('"reason": ""', '"reason": "none"'))


def fail(folder):
    path = folder / "record.json"
    path.write_text(path.read_text().replace('"status": "complete"', '"status": "failed"'))


@pytest.mark.parametrize(("tamper", "error", "message"), [
    (flip, RunError, r"weights.safetensors is damaged \(its checksum differs\)"),
    (lambda folder: (folder / "weights.safetensors").write_bytes(b"\x80\x04pickle"), RunError,
     "weights.safetensors is damaged"),
    (lambda folder: rewritten(folder, format="2"), RequestError, "has format 2, this version reads "
     "1; update lhlbench"),
    (lambda folder: rewritten(folder, run="had-rooms_s1-seed0-0123456789"), RequestError,
     "is of another run, had-rooms_s1-seed0-0123456789"),
    (lambda folder: rewritten(folder, record="0" * 64), RunError, "its checksum differs"),
    (edit_record, RequestError, "record.json is not the record that weights.safetensors beside it"),
    (lambda folder: (folder / "weights.safetensors").unlink(), RequestError,
     "has no weights.safetensors: the run was finished by an earlier version"),
    (fail, RequestError, "the run failed .* there are no weights")],
    ids=["flipped bit", "pickle", "newer", "other run", "forged", "edited record", "none",
         "failed"])
def test_weights_that_cannot_be_trusted_are_refused(tamper, error, message, folder):
    tamper(folder)
    with pytest.raises(error, match=message):
        benchmark.load_network(folder)


def test_a_run_whose_record_is_lost_leaves_both_again(folder, cache):
    (folder / "record.json").unlink()
    (folder / "weights.safetensors").unlink()
    short_run(folder.parent, cache, "lora")
    assert benchmark.load_network(folder).tasks


def test_a_card_tells_what_was_trained_and_how_it_scores(finished):
    card = (finished.folder / "model_card.md").read_text()
    record = finished.record
    value = record.matrix["depth"]["rmse"][-1]
    assert f"| depth | rmse | {value:.5g} m | lower |" in card
    assert f'benchmark.load_network("{record.run_id}")' in card
    assert f"fingerprint {record.dataset.fingerprint}" in card
    assert "subject to the terms of that data set (rooms)" in card


OWN = """
    from benchmark.method import Method

    class Doubled(Method):
        name = "doubled"
        summary = "predicts | twice"
        family = "test"
        gain = 1.0

        def end_phase(self, phase):
            self.gain = 2.0

        def predict(self, network, images, tasks):
            raws = super().predict(network, images, tasks)
            return {name: self.gain * raw for name, raw in raws.items()}

        def state_dict(self):
            return {"gain": self.gain}

        def load_state_dict(self, state):
            self.gain = state["gain"]
"""


def test_a_method_of_ones_own_is_run_only_where_it_is_named_and_unchanged(tmp_path, cache):
    file = tmp_path / "doubled.py"
    file.write_text(textwrap.dedent(OWN))
    folder = short_run(tmp_path / "runs", cache, str(file), "rooms_s1").folder
    with pytest.raises(RequestError, match="name its file with --method FILE"):
        benchmark.load_network(folder)
    trained = benchmark.load_network(folder, method=str(file))
    images = torch.rand(1, 3, 24, 32)
    doubled = trained.predict(images)["depth"]
    with torch.no_grad():
        assert torch.equal(doubled, 2 * trained.network.outputs(images, ["depth"])["depth"])
    assert "predicts \\| twice" in (folder / "model_card.md").read_text()
    file.write_text("raise SystemExit('this must never be executed')")
    with pytest.raises(RequestError, match="is not the code that trained doubled-rooms_s1"):
        benchmark.load_network(folder, method=str(file))


def test_a_file_is_no_substitute_for_a_method_by_its_name(finished, tmp_path):
    file = tmp_path / "lora.py"
    file.write_text("raise SystemExit('this must never be executed')")
    with pytest.raises(LhlbenchError, match="name no file: it was a method by its name"):
        benchmark.load_network(finished.folder, method=str(file))
