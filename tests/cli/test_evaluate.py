"""`lhlbench evaluate`: the stored scores again, scores on other data, and what is told apart."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

import benchmark
from benchmark.cli.app import invoke
from benchmark.config.shipped import shipped
from benchmark.engine import checkpoint
from benchmark.engine.reevaluate import evaluated_tasks
from benchmark.errors import RequestError
from benchmark.record import load_record


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder of runs that holds a single one, of `had`."""
    from tests.cli.conftest import SMALL

    runs = tmp_path_factory.mktemp("runs")
    assert invoke(["run", "--method", "had", "--sequence", "rooms_s1", *SMALL,
                   "--runs", str(runs)]) == 0
    return runs


def evaluate(runs, *words):
    return invoke(["evaluate", "had", "--runs", str(runs), *words])


def only(runs):
    (file,) = runs.glob("*/record.json")
    return file.parent


def test_the_last_row_comes_again_and_nothing_is_written(finished, capsys):
    before = {file: (file.stat().st_mtime_ns, file.stat().st_size)
              for file in finished.rglob("*")}
    assert evaluate(finished) == 0
    printed = capsys.readouterr().out
    assert "all 11 values equal those of the record, bit for bit" in printed
    assert "abs m ↓" in printed
    assert evaluate(finished, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    record = load_record(only(finished))
    assert found["values"] == {task: {metric: values[-1] for metric, values in metrics.items()}
                               for task, metrics in record.matrix.items()}
    assert found["equals_record"] is True
    assert before == {file: (file.stat().st_mtime_ns, file.stat().st_size)
                      for file in finished.rglob("*")}


def test_other_data_are_measured_and_compared_with_nothing(finished, capsys):
    assert evaluate(finished, "--set", "dataset.seed=1", "--json") == 0
    other = json.loads(capsys.readouterr().out)
    assert evaluate(finished, "--sequence", "rooms10_s1", "--set", "dataset.train=1",
                    "--set", "dataset.eval=3", "--tasks", "depth, normal", "--json") == 0
    third = json.loads(capsys.readouterr().out)
    record = load_record(only(finished))
    assert other["equals_record"] is third["equals_record"] is None
    assert other["dataset"]["fingerprint"] != record.dataset.fingerprint
    assert other["values"]["depth"]["abs"] != record.matrix["depth"]["abs"][-1]
    assert (list(third["values"]), third["dataset"]["eval_images"]) == (["depth", "normal"], 3)


@pytest.mark.parametrize(("words", "message"), [
    (["--sequence", "tabletop_s1"], "has no labels of 'semantic'; it has mask, depth, normal: "
     "choose among them with --tasks"),
    (["--tasks", "dept"], "unknown task 'dept'. Did you mean depth"),
    (["--set", "recipe.lr=1"], "--set recipe.lr=1"),
    (["--set", "dataset.sede=1"], "with --set, dataset"),
    (["--sequence", "rooms_s9"], "unknown sequence 'rooms_s9'"),
    (["--data-root", "nowhere"], "--data-root nowhere is not a folder")])
def test_wrong_requests(words, message, finished, capsys):
    assert evaluate(finished, *words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("changes", "message"), [
    ({"kind": "regression", "classes": ()}, "learnt with kind segmentation, in .* has regression"),
    ({"channels": 13, "classes": ()}, "learnt with channels 14, in .* it has 13: not the same"),
    ({"classes": tuple("abcdefghijklmn")}, "learnt with classes wall, .* it has a, b, c")])
def test_a_task_of_the_same_name_must_be_the_same(changes, message, finished):
    trained = benchmark.load_network(only(finished))
    other = trained.tasks["semantic"].model_copy(update=changes)
    store = SimpleNamespace(folder="there", tasks={**trained.tasks, "semantic": other})
    with pytest.raises(RequestError, match=message):
        evaluated_tasks(trained, store)
    unnamed = other.model_copy(update={"kind": "segmentation", "channels": 14, "classes": ()})
    assert evaluated_tasks(trained, SimpleNamespace(folder="", tasks={
        **trained.tasks, "semantic": unnamed}))


def test_other_weights_are_told_with_what_differs_and_by_how_much(finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "copy")
    path = only(tmp_path / "copy") / "weights.safetensors"
    with safe_open(path, "pt") as file:
        about = file.metadata()
    state = checkpoint.load_state(path)
    state["heads.depth.4.bias"] += 1
    checkpoint.save_state(path, state, about["run"], about={
        key: about[key] for key in ("format", "record", "backbone", "tasks", "prediction")})
    assert evaluate(tmp_path / "copy") == 1
    message = capsys.readouterr().err
    stored = load_record(path.parent).matrix["depth"]["abs"][-1]
    assert "values differ from the record: depth abs is" in message
    assert f"the record has {stored} (-1)" in message
    assert "semantic" not in message
    assert "(device, threads and versions are those of the run)" in message


def test_a_run_on_ones_own_files_and_what_is_said_when_they_change(tmp_path, monkeypatch, capsys):
    shutil.copytree(shipped("sequences") / "tabletop", tmp_path / "mine" / "tabletop")
    shutil.copytree(shipped("sequences") / "recipes", tmp_path / "mine" / "recipes")
    shutil.copy(shipped("sequences") / "tabletop.yaml", tmp_path / "mine")
    family = (tmp_path / "mine" / "tabletop.yaml").read_text()
    (tmp_path / "mine" / "mine.yaml").write_text(family.replace("family: tabletop",
                                                                "family: mine"))
    settings = ("dataset.size=[45, 80]", "recipe.crop=[24, 32]", "recipe.epochs=1",
                "recipe.crops_per_image=4", "recipe.batch=4", "recipe.head_channels=8")
    words = ["run", "--method", "had", "--sequence", "mine/mine.yaml", "--runs", "runs",
             *(word for setting in settings for word in ("--set", setting))]
    monkeypatch.setattr("sys.argv", ["lhlbench", *words])  # the record keeps the command
    assert invoke(words) == 0
    assert evaluate("runs") == 0
    assert "all 11 values equal those of the record" in capsys.readouterr().out
    mask = tmp_path / "mine/tabletop/mask/0153.png"
    Image.fromarray(np.asarray(Image.open(mask))[:, ::-1]).save(mask)
    assert evaluate("runs") == 2
    assert "the data set is not the one had-mine_s1" in capsys.readouterr().err
    assert evaluate("runs", "--sequence", "mine/mine.yaml", "--set", "dataset.size=[45, 80]") == 0
