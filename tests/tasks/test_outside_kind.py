"""A kind of the user's own, `flow`, goes wherever the four that come along go."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cli.app import invoke
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from benchmark.plug_ins import TASK_KINDS
from benchmark.report.plots import PLOTS
from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of
from benchmark.tasks.registry import find_kind, register_kind
from tests.helpers.make_moving import FLOW_KIND, make_moving

METHODS = ("had", "lwf", "ewc", "derpp", "sgp", "lora", "heteroakd", "finetune")
NEED_MORE = {"stability", "tradeoff", "ranks", "orders", "separate"}
"""Plots of several orders, or of a baseline."""

pytestmark = pytest.mark.xdist_group("outside kind")


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `moving.yaml`, and a run of every method in `runs`."""
    folder = tmp_path_factory.mktemp("moving")
    family = make_moving(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LHLBENCH_CACHE", str(folder / "cache"))
        for method in METHODS:
            assert invoke(["run", "--method", method, "--sequence", str(family), "--device", "cpu",
                           "--runs", str(folder / "runs")]) == 0
    return folder


@pytest.fixture
def shown(moving: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that name these runs."""
    monkeypatch.setenv("LHLBENCH_CACHE", str(moving / "cache"))
    return ["--runs", str(moving / "runs"), "--no-published"]


def test_records_say_kind_metrics_and_the_code_they_were_made_by(moving: Path) -> None:
    records = [json.loads(path.read_text()) for path in moving.glob("runs/*/record.json")]
    assert {record["method"]["name"] for record in records} == set(METHODS)
    for record in records:
        flow = record["tasks"][2]
        assert (flow["kind"], [each["name"] for each in flow["metrics"]]) == (
            "flow", ["epe", "near"])
        assert list(record["config"]["task_kinds"]) == ["flow"]
        assert record["matrix"]["flow"]["epe"][2] > 0


@pytest.mark.parametrize("convention", ["pixel", "image"])
def test_tables(shown: list[str], convention: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["table", *shown, "--format", "md", "--convention", convention]) == 0
    told = capsys.readouterr().out
    assert "flow end-point error (px) ↓" in told
    assert all(f"| {method} |" in told for method in METHODS)


def test_every_plot(shown: list[str], tmp_path: Path) -> None:
    chosen = ["--methods", "had,heteroakd"]
    assert invoke(["plot", "all", *shown, *chosen, "--to", str(tmp_path)]) == 0
    drawn = {file.name.split("_")[0] for file in tmp_path.iterdir()}
    assert set(PLOTS) - NEED_MORE <= drawn


def test_site(shown: list[str], tmp_path: Path) -> None:
    assert invoke(["report", *shown, "--to", str(tmp_path / "site")]) == 0
    assert "end-point error" in (tmp_path / "site" / "index.html").read_text()


def test_validate(moving: Path, shown: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["validate", str(moving / "runs")]) == 0
    assert capsys.readouterr().out.count(": valid") == len(METHODS)


def test_data_verify_and_info(moving: Path, shown: list[str], tmp_path: Path,
                              capsys: pytest.CaptureFixture[str]) -> None:
    family = str(moving / "moving.yaml")
    assert invoke(["data", "verify", family]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "flow train 6 97.4 min -4.0000," in told
    assert told.count("(px)") == 2, "in both splits"
    assert invoke(["data", "info", family, "--to", str(tmp_path / "panel.png")]) == 0
    assert (tmp_path / "panel.png").stat().st_size > 1000


def test_show_says_what_the_kind_remarks(moving: Path, shown: list[str],
                                         capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = moving.glob("runs/had-*")
    assert invoke(["show", run.name, *shown]) == 0
    assert "flow end-point error over" in " ".join(capsys.readouterr().out.split())


# What the code of a kind is part of

def test_the_code_of_a_kind_is_part_of_the_run_id_where_its_tasks_are_learnt(
        tmp_path: Path) -> None:
    own = tmp_path / "own_flow"
    shutil.copytree(FLOW_KIND, own, ignore=shutil.ignore_patterns("__pycache__"))
    head = own / "__init__.py"
    head.write_text(head.read_text().replace('TaskKind("flow"', 'TaskKind("drift"'))
    family = make_moving(tmp_path, own)
    family.write_text(family.read_text().replace("kind: flow", "kind: drift"))

    def planned() -> tuple[str, dict[str, object]]:
        plan = make_plan(RunRequest("finetune", str(family)))
        return plan.run_id("0" * 16), plan.config.canonical()

    before, config = planned()
    assert list(config["task_kinds"]) == ["drift"]
    assert planned()[0] == before
    losses = own / "losses.py"
    losses.write_text(losses.read_text().replace("NEAR = 1.0", "NEAR = 2.0"))
    assert planned()[0] != before
    task = Task(name="drift", kind="drift", channels=2)
    off = torch.full((1, 2, 1, 1), 1.2)
    assert kind_of(task).statistics(off, torch.zeros_like(off))["near"].item() == 1, "read anew"


def test_other_sequences_do_not_mention_kinds(tmp_path: Path) -> None:
    family = make_moving(tmp_path, order=("parts", "depth"))
    assert "task_kinds" not in make_plan(RunRequest("finetune", str(family))).config.canonical()
    assert "task_kinds" not in make_plan(RunRequest("finetune", "rooms_s1")).config.canonical()


# What is wrong

def lhlbench(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process that has read no family yet."""
    environment = {key: value for key, value in os.environ.items()
                   if key != TASK_KINDS} | environment
    return subprocess.run([sys.executable, "-m", "benchmark", *words], capture_output=True,
                          text=True, timeout=300, env=environment)


def test_records_of_an_unknown_kind_are_shown_and_the_rest_says_what_is_missing(
        moving: Path, shown: list[str], tmp_path: Path) -> None:
    (run,) = moving.glob("runs/had-*")
    table = lhlbench("table", *shown, "--format", "md")
    assert table.returncode == 0, table.stderr
    assert "flow epe (px) ↓" in table.stdout
    assert lhlbench("plot", "matrix", *shown, "--to", str(tmp_path)).returncode == 0
    for words, code in ((("validate", str(run)), 2),
                        (("plot", "predictions", *shown, "--to", str(tmp_path)), 2),
                        (("table", *shown, "--convention", "image"), 0)):
        done = lhlbench(*words)
        told = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == code, told
        assert "unknown task kind 'flow'" in told and "--task-kinds FILE" in told, words
        assert "Traceback" not in told
    assert lhlbench("--task-kinds", str(FLOW_KIND), "validate", str(run)).returncode == 0
    other = tmp_path / "other"
    shutil.copytree(FLOW_KIND, other, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "spec.py").write_text((other / "spec.py").read_text() + "\n")
    done = lhlbench("--task-kinds", str(other), "validate", str(run))
    assert done.returncode == 2 and "config.task_kinds.flow is" in done.stdout
    assert lhlbench("validate", str(run), **{TASK_KINDS: str(FLOW_KIND)}).returncode == 0


def test_a_store_of_an_unknown_kind_says_what_is_missing(moving: Path, shown: list[str]) -> None:
    (manifest,) = moving.glob("cache/folder/*/manifest.json")
    done = lhlbench("data", "verify", str(manifest.parent))
    assert done.returncode == 2
    assert "unknown task kind 'flow'" in done.stderr and "damaged" not in done.stderr
    done = lhlbench("--task-kinds", str(FLOW_KIND), "data", "verify", str(manifest.parent))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("text", "message"), [
    (None, "does not exist"), ("x = 1", "defines no task kind"),
    ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
    ("from benchmark.tasks.segmentation import KIND", "'segmentation', a name that is taken")])
def test_files_that_define_no_kind(text: str | None, message: str, tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.plug_ins._from_families", {})
    path = tmp_path / "kind.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RequestError, match=message):
        register_kind(path)


def test_two_kinds_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.plug_ins._from_families", {})
    register_kind(FLOW_KIND)
    same, other = tmp_path / "same", tmp_path / "other"
    for copy in (same, other):
        shutil.copytree(FLOW_KIND, copy, ignore=shutil.ignore_patterns("__pycache__"))
    register_kind(same)
    assert find_kind("flow").name == "flow"
    (other / "losses.py").write_text((other / "losses.py").read_text() + "\n")
    register_kind(other)
    with pytest.raises(RequestError, match="in another way; rename one"):
        find_kind("flow")


def test_a_family_that_names_a_missing_kind(tmp_path: Path) -> None:
    family = make_moving(tmp_path, tmp_path / "nowhere")
    with pytest.raises(RequestError, match=r"moving\.yaml, task_kinds: .*nowhere does not exist"):
        make_plan(RunRequest("finetune", str(family)))


def test_wrong_descriptions_of_an_outside_kind(tmp_path: Path) -> None:
    family = make_moving(tmp_path)
    text = family.read_text()
    for wrong, message in (("kind: flow", "kind: flwo"), ("encoding: npy\n", "encoding: png8\n")):
        family.write_text(text[:text.index("flow:")]
                          + text[text.index("flow:"):].replace(wrong, message, 1))
        with pytest.raises(RequestError, match=r"unknown task kind 'flwo'. Did you mean flow|npy"):
            make_plan(RunRequest("finetune", str(family)))


def test_geometry_is_the_kind_s() -> None:
    register_kind(FLOW_KIND)
    kind = kind_of(Task(name="flow", kind="flow", channels=2))
    target = torch.from_numpy(np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3))
    assert torch.equal(kind.flip(target)[:, 0], -target[:, 0].flip(-1))
    assert torch.equal(kind.flip(target)[:, 1], target[:, 1].flip(-1))
    assert torch.equal(kind.zoom(target, 1.5), 1.5 * target)
    with pytest.raises(ValueError, match="has 2 channels, not 3"):
        Task(name="flow", kind="flow", channels=3)


# A kind to start from

def test_new_kind_works_as_it_comes(tmp_path: Path) -> None:
    assert invoke(["new", "kind", "scene_flow", "--to", str(tmp_path)]) == 0
    assert invoke(["new", "kind", "scene_flow", "--to", str(tmp_path)]) == 2
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           str(tmp_path)], capture_output=True, text=True, timeout=300,
                          cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    family = make_moving(tmp_path, tmp_path / "scene_flow")
    text = family.read_text().replace("kind: flow", "kind: scene_flow\n      channels: 2")
    family.write_text(text)
    assert invoke(["run", "--method", "had", "--sequence", str(family), "--device", "cpu",
                   "--set", "recipe.epochs=1", "--runs", str(tmp_path / "runs")]) == 0
