"""Tuning: the same budget for all, scored on training images that are held out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.app import invoke
from benchmark.config.family import find_sequence, find_tuned
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.held_out import HeldOutStore
from benchmark.engine.execute import open_store
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from benchmark.registry import find_method, method_names
from benchmark.tuning import BUDGET, trial_settings
from tests.helpers.tiny import tiny_plan


def test_a_grid_is_cut_to_the_budget_with_the_defaults_first():
    grid, defaults = {"a": [1, 2, 3], "b": [0.1, 0.2, 0.3]}, {"a": 2, "b": 0.5}
    found = trial_settings(grid, defaults, 6)
    assert found[0] == defaults
    assert len(found) == 6
    assert len({tuple(point.items()) for point in found}) == 6
    assert found == trial_settings(grid, defaults, 6)
    assert trial_settings({"a": [1, 2]}, {"a": 1}, 6) == [{"a": 1}, {"a": 2}]


def test_grids_hold_settings_the_methods_have():
    for name in method_names():
        method = find_method(name)
        tunable = method.kind == "lifelong" and method.Config.model_fields
        assert bool(method.grid) == bool(tunable), f"{name}: its grid"
        for key, values in method.grid.items():
            for value in values:
                method.Config.model_validate({key: value})
            assert len(set(map(str, values))) == len(values)


def test_held_out_images_are_training_images_that_are_not_trained_on(cache):
    plan = tiny_plan("finetune")
    whole = open_store(plan, DataPaths(cache))
    part = HeldOutStore(whole, 0.25)
    assert (part.count("train"), part.count("eval")) == (18, 6)
    for name in ("image", "depth"):
        images = np.asarray(whole.array("train", name))
        assert np.array_equal(part.array("train", name), images[:18], equal_nan=name == "depth")
        assert np.array_equal(part.array("eval", name), images[18:], equal_nan=name == "depth")
        assert np.array_equal(part.values("eval", name), whole.values("train", name)[18:])
    assert part.fingerprint not in (whole.fingerprint, HeldOutStore(whole, 0.5).fingerprint)
    for share in (0.01, 0.99):
        with pytest.raises(RequestError, match=r"held_out=.* of 24 training images"):
            HeldOutStore(whole, share)


def test_the_tuning_family_holds_out_and_is_of_another_seed(tiny):
    family = find_sequence("rooms_tune_s1").family
    assert family.held_out == 0.25
    assert family.dataset["seed"] != 0
    record = tiny("finetune", "rooms_tune_s1").record
    assert (record.dataset.train_images, record.dataset.eval_images) == (18, 6)
    assert record.config["held_out"] == 0.25


def test_choices_made_later_leave_run_ids_as_they_were():
    plain = make_plan(RunRequest("had", "rooms_s1")).config.canonical()
    assert "held_out" not in plain
    assert "backbones" not in plain
    assert "backbones" in make_plan(RunRequest("had", "rooms_hetero_s1")).config.canonical()
    assert "weights" not in plain
    assert plain["recipe"].keys().isdisjoint(("align_corners", "stages", "neck"))
    assert make_plan(RunRequest("finetune", "rooms_s1")).run_id("7376afb8004200e6") == \
        "finetune-rooms_s1-seed0-a11c85fb92"  # of protocol 2


FAMILY = """\
family: mine
about: For tuning.
dataset: {name: rooms, train: 24, eval: 1, height: 24, width: 32, seed: 3}
tasks: [reshading, albedo]
recipe: quick
held_out: 0.25
tuned: mine
"""
RECIPE = """\
head_channels: 8
head_rates: [1, 2]
epochs: 2
batch: 4
lr: 0.003
"""


@pytest.fixture
def own_family(tmp_path):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "tuned").mkdir()
    (tmp_path / "recipes" / "quick.yaml").write_text(RECIPE)
    (tmp_path / "tuned" / "mine.yaml").write_text(
        "about: chosen by hand\nrecipe: {lr: 0.02}\nmethods: {ewc: {weight: 7.0}}\n")
    (tmp_path / "mine.yaml").write_text(FAMILY)
    return tmp_path / "mine.yaml"


def test_tune_writes_grid_scores_and_choice(own_family, tmp_path, capsys):
    words = ["tune", "ewc,finetune", "--sequence", str(own_family), "--budget", "3",
             "--seeds", "0,1", "--set", "recipe.epochs=1", "--to", str(tmp_path / "tuning"),
             "--json"]
    assert invoke(words) == 0
    ewc, finetune = json.loads(capsys.readouterr().out)
    (path,) = (tmp_path / "tuning").rglob("ewc.json")
    assert json.loads(path.read_text())["trials"] == ewc["trials"]
    assert [len(each["trials"]) for each in (ewc, finetune)] == [3, 3]
    assert ewc["trials"][0]["settings"] == {"weight": 100.0}
    runs = [json.loads(path.read_text()) for path in (tmp_path / "tuning").rglob("record.json")]
    assert {run["phases"][0]["epochs"] for run in runs} == {1}
    assert all(len(trial["scores"]) == 2 for trial in ewc["trials"])
    best = max(ewc["trials"], key=lambda trial: trial["score"])
    assert ewc["chosen"] == best["settings"]
    assert finetune["trials"][0] == {"settings": {"recipe.lr": 0.003}, "score": 0.0,
                                     "scores": [0.0, 0.0]}
    assert any(trial["score"] != 0 for trial in finetune["trials"][1:])
    assert {"ewc", "finetune"} == {path.stem for path in (tmp_path / "tuning").rglob("*.json")
                                   if path.name != "record.json"}


def test_tuned_settings_are_used_when_asked_for(own_family):
    def config(method, **changes):
        return make_plan(RunRequest(method, str(own_family), **changes)).config

    assert config("ewc", tuned=True).method_config["weight"] == 7
    assert config("ewc").method_config["weight"] == 100
    rates = [config("finetune", settings=settings, tuned=tuned).recipe.lr
             for settings, tuned in (((), True), ((), False), (("recipe.lr=0.1",), True))]
    assert rates == [0.02, 0.003, 0.1]
    assert config("ewc", tuned=True, method_settings=("weight=3",)).method_config["weight"] == 3
    assert config("mas", tuned=True).method_config["weight"] == 100
    with pytest.raises(RequestError, match="has no tuned settings"):
        make_plan(RunRequest("ewc", "nyuv2_s1", tuned=True))


@pytest.mark.parametrize(("words", "message"), [
    (["tune", "joint"], "joint has no settings to tune"),
    (["tune", "ewc", "--seeds", "zero"], "--seeds zero: write numbers"),
    (["tune", "ewk"], "unknown method 'ewk'. Did you mean ewc")])
def test_wrong_requests(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(words) == 2
    assert message in capsys.readouterr().err


RESULTS = Path(__file__).resolve().parents[2] / "results" / "tuning" / "rooms_tune_s1"


def test_tuned_settings_are_those_that_tuning_chose():
    chosen = {path.stem: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}
    tuned = find_tuned(find_sequence("rooms_s1"))
    assert {"recipe.lr": tuned.recipe["lr"]} == chosen.pop("finetune")["chosen"]
    assert tuned.methods == {name: result["chosen"] for name, result in chosen.items()}
    for name, result in chosen.items():
        assert set(result["grid"]) == set(find_method(name).grid), f"{name} was tuned otherwise"
        assert result["set"] == [f"recipe.lr={tuned.recipe['lr']}"]
        best = max(trial["score"] for trial in result["trials"])
        assert {"settings": result["chosen"], "score": best}.items() <= next(
            trial for trial in result["trials"] if trial["score"] == best).items()
        assert len(result["trials"]) <= BUDGET
    tunable = {name for name in method_names() if find_method(name).grid}
    assert tunable == set(chosen), "methods that were not tuned"
