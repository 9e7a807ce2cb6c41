"""Runs: what they leave, what each phase is given, and methods from outside."""

from __future__ import annotations

import json
import textwrap

import pytest
import yaml

from benchmark.data.sources.source import DataPaths
from benchmark.engine import checkpoint
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.engine.state_files import BOUNDARY_FILE
from benchmark.errors import RequestError
from benchmark.record import RECORD_FILE, load_record, load_statistics
from benchmark.registry import find_method
from benchmark.report.submission.validation import first_problem
from tests.helpers.plug_ins import plug_in
from tests.helpers.tiny import tiny_plan


def test_a_run_leaves_what_the_design_says(tiny):
    outcome = tiny("lwf")
    folder, record = outcome.folder, outcome.record
    assert load_record(folder) == record
    assert record.status == "complete"
    assert record.run_id == folder.name
    assert [task.name for task in record.tasks] == ["semantic", "depth", "normal"]
    for number, task in enumerate(record.tasks):
        for values in record.matrix[task.name].values():
            assert values[:number] == (None,) * number
        primary = next(metric.name for metric in task.metrics if metric.primary)
        assert None not in record.matrix[task.name][primary][number:]
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
    assert first_problem(folder) is None
    assert {file.name for file in (folder / "previews").iterdir()} == {
        "semantic.png", "depth.png", "normal.png"}


def test_costs_are_what_the_checkpoint_holds(tiny):
    for name in ("finetune", "ewc", "lwf", "separate"):
        outcome = tiny(name)
        state = checkpoint.load_state(outcome.folder / BOUNDARY_FILE)
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


def test_joint_learns_its_weights_and_may_see_all_labels(tiny):
    equal, learnt, everything = (tiny("joint", method_settings=settings).record.matrix for settings
                                 in ([], ["weighting=uncertainty"], ["labels=all"]))
    assert equal != learnt
    assert equal != everything
    assert learnt != everything


@pytest.mark.parametrize("name", ["finetune", "joint", "had", "ewc"])
@pytest.mark.parametrize("split", ["disjoint", "shared"])
def test_a_phase_holds_its_phase_batches_and_labels_only(name, split, tiny, monkeypatch):
    """Counts what each phase is given, seen through the store."""
    from benchmark.data.store.files import Store

    read = []
    rows = Store.rows

    def recorded(self, which, modality, positions):
        if which == "train":
            read.append((modality, tuple(positions)))
        return rows(self, which, modality, positions)

    monkeypatch.setattr(Store, "rows", recorded)
    tiny(name, settings=[f"split={split}"])
    tasks = ("semantic", "depth", "normal")
    every = tuple(range(24))
    own = {task: every if split == "shared" else every[8 * k:8 * k + 8]
           for k, task in enumerate(tasks)}
    if name == "joint":
        expected = [("image", every), *own.items()]
    else:
        expected = [entry for task in tasks for entry in (("image", own[task]), (task, own[task]))]
    assert read == expected


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


def test_plug_in_by_path_runs_and_its_code_is_part_of_the_run(tiny, tmp_path):
    path = plug_in(tmp_path, "step.features.mean() * 0.0")
    first = tiny(path)
    assert first.record.status == "complete"
    assert first.record.method.name == "broken"
    plug_in(tmp_path, "step.features.mean() * 0.5")
    assert tiny(path).folder != first.folder


@pytest.mark.parametrize(("text", "message"), [
    ("x = 1", "defines 0 methods"), ("import no_such_module", "cannot be imported"),
    ("def f(:", "cannot be imported")])
def test_a_file_that_is_no_method_is_refused(text, message, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(text)
    with pytest.raises(RequestError, match=message):
        find_method(str(path))


@pytest.mark.parametrize("name", ["'My Method'", "'../evil'", "'/abs'", "''", "'naïve'", "3",
                                  repr("a" * 171), "'.hidden'"])
def test_a_name_that_cannot_name_a_folder_is_refused_before_training(name, tiny, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(f"from benchmark.method import Method\nclass Odd(Method):\n    name = {name}\n",
                    encoding="utf-8")
    with pytest.raises(RequestError, match=r"its name is .* names the folders of its runs"):
        tiny(str(path))
    assert list(tmp_path.iterdir()) == [path]


def test_a_kind_that_does_not_exist_is_refused_before_training(tiny, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text("from benchmark.method import Method\n"
                    "class Odd(Method):\n    name, kind = 'odd', 'oracle'\n")
    with pytest.raises(RequestError, match="its kind is 'oracle'; it must be one of lifelong"):
        tiny(str(path))


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
    options = Options(runs=tmp_path, data_paths=DataPaths(cache), device="cpu")
    assert execute(plan, options).record.environment["precision"] == "bf16"


NOW_AND_THEN = """
from benchmark.method import Method

class NowAndThen(Method):
    name = "now_and_then"
    summary = "has a term in every second step"
    family = "test"
    steps = 0

    def loss(self, step):
        self.steps += 1
        terms = step.new_losses()
        if self.steps % 2 == 0:
            terms["backbone/even"] = step.features.sum() * 0 + self.steps
        return terms
"""


def test_a_term_that_some_steps_lack_is_averaged_over_the_others(tiny, tmp_path):
    (tmp_path / "now_and_then.py").write_text(NOW_AND_THEN)
    outcome = tiny(str(tmp_path / "now_and_then.py"))
    steps = outcome.record.phases[0].steps
    first = json.loads((outcome.folder / "log.jsonl").read_text().splitlines()[0])
    counted = range(1, steps // outcome.record.phases[0].epochs + 1)
    even = [number for number in counted if number % 2 == 0]
    assert len(even) > 0
    assert first["losses"]["backbone/even"] == sum(even) / len(even)
