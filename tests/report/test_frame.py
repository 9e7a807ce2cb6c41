"""The tidy frame of measured values, and the frame of scores, against the records they show."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pandas as pd
import pytest

from benchmark.cli.app import invoke
from benchmark.config.shipped import shipped
from benchmark.errors import RequestError
from benchmark.record import load_statistics, save_statistics
from benchmark.report.runs.collection import RunCollection, collect
from benchmark.report.runs.frame import TIDY, tidy_frame
from benchmark.report.runs.grid import grids_of, sequence_grids
from benchmark.report.runs.scoring import COSTS, GridScores
from benchmark.scores import (
    Matrix,
    bwt,
    delta,
    forgetting,
    gap_closed,
    intransigence,
    learning_transfer,
    mean,
    relative_bwt,
    relative_forgetting,
    worst_task,
)
from benchmark.tasks.metric_values import values_of

ORDERS = {"rooms_s1": ("semantic", "depth", "normals"),
          "rooms_s2": ("normals", "depth", "semantic")}
METHODS = ("finetune", "had", "joint", "separate")


@pytest.fixture
def runs(maker):
    """Four methods, two orders, two seeds; one run failed and one has another learning rate."""
    for method in METHODS:
        for sequence, tasks in ORDERS.items():
            for seed in (0, 1):
                maker.run(method, seed, sequence, tasks)
    maker.run("ewc", 0, "rooms_s1", ORDERS["rooms_s1"], failed="loss is not finite")
    maker.run("had", 0, "rooms_s1", ORDERS["rooms_s1"], lr=0.5)
    return maker.collection()


def record_values(record):
    """Every value that a record holds, by phase, task and metric."""
    return {(phase, task, metric): value for task, metrics in record.matrix.items()
            for metric, values in metrics.items()
            for phase, value in enumerate(values, start=1) if value is not None}


def frame_values(frame, run_id):
    rows = frame[frame["run_id"] == run_id]
    return dict(zip(zip(rows["phase"], rows["task"], rows["metric"], strict=True), rows["value"],
                    strict=True))


# Values

def test_every_value_of_every_record_is_one_row(runs):
    frame = tidy_frame(grids_of(runs))
    assert len(frame) == sum(len(record_values(run.record)) for run in runs.complete)
    assert set(frame["run_id"]) == {run.record.run_id for run in runs.complete}
    for run in runs.complete:
        assert frame_values(frame, run.record.run_id) == record_values(run.record)


def test_columns_and_their_types_are_fixed(runs):
    for frame in (tidy_frame(grids_of(runs)), tidy_frame([])):
        assert list(frame.columns) == list(TIDY)
        assert frame.dtypes.equals(frame.astype(TIDY).dtypes)
        assert [frame.dtypes[name].kind for name in ("order", "seed", "phase", "value",
                                                     "higher_is_better", "primary")] == list(
            "iiifbb")


def test_a_row_says_what_its_value_is_of(runs):
    frame = tidy_frame(grids_of(runs))
    row, = frame[(frame["run_id"] == "rooms_s2-had-weight1.0-1-ffff") & (frame["phase"] == 3)
                 & (frame["metric"] == "abs")].to_dict("records")
    record = next(run.record for run in runs.complete if run.record.run_id == row["run_id"])
    assert row == {
        "run_id": record.run_id, "method": "had", "label": "had", "sequence": "rooms_s2",
        "family": "rooms", "order": 2, "seed": 1, "phase": 3, "task": "depth",
        "kind": "regression", "metric": "abs", "unit": "m", "higher_is_better": False,
        "primary": True, "value": record.matrix["depth"]["abs"][2], "convention": "pixel",
        "grid": "rooms"}
    assert set(frame["grid"]) == {"rooms", "rooms (recipe.lr=0.5)"}


def test_a_task_has_rows_from_its_own_phase_on_and_a_bound_only_the_last(runs):
    frame = tidy_frame(grids_of(runs))
    lifelong = frame["method"].isin(["finetune", "had"])
    for sequence, tasks in ORDERS.items():
        for learnt, task in enumerate(tasks, start=1):
            own = (frame["sequence"] == sequence) & (frame["task"] == task)
            assert set(frame[own & lifelong]["phase"]) == set(range(learnt, 4))
            assert set(frame[own & ~lifelong]["phase"]) == {3}


def test_an_undefined_value_is_nan_and_one_never_measured_has_no_row(maker):
    maker.run("had", tasks=("semantic", "depth"), matrix={
        "semantic": {"miou": [40.0, None], "pixel_accuracy": [70.0, 60.0]},
        "depth": {"abs": [None, None], "rmse": [None, 1.0], "rel": [None, None],
                  "delta1": [None, 50.0]}})
    frame = tidy_frame(grids_of(maker.collection()))
    values = frame_values(frame, maker.made[0].record.run_id)
    undefined = {key for key, value in values.items() if math.isnan(value)}
    assert undefined == {(2, "semantic", "miou"), (2, "depth", "abs"), (2, "depth", "rel")}
    assert len(values) == 4 + 4


def test_settings_become_columns(runs, maker):
    maker.run("lwf", method_config={"temperature": 2})
    frame = tidy_frame(grids_of(maker.collection()),
                       settings=["recipe.lr", "method_config.temperature"])
    assert list(frame.columns) == [*TIDY, "recipe.lr", "method_config.temperature"]
    assert {label: set(part["recipe.lr"]) for label, part in frame.groupby("grid")} == {
        "rooms": {1e-4}, "rooms (recipe.lr=0.5)": {0.5}}
    lwf = frame["method"] == "lwf"
    assert set(frame[lwf]["method_config.temperature"]) == {2}
    assert frame[~lwf]["method_config.temperature"].isna().all()  # the others have no such setting
    with pytest.raises(RequestError, match=r"unknown setting.*Did you mean recipe\.lr"):
        tidy_frame(grids_of(runs), settings=["recipe.ls"])


def test_another_convention_is_of_the_statistics():
    published = collect(shipped("results/published") / "rooms_s1")
    own = RunCollection(tuple(run for run in published.complete
                              if run.record.method.name in ("lwf", "joint"))[::3])
    frame = tidy_frame(sequence_grids(own), "image")
    assert set(frame["convention"]) == {"image"}
    assert set(frame["method"]) == {"lwf", "joint"}
    for run in own.complete:
        tasks = {task.name: task for task in run.record.tasks}
        expected = {(phase, name, metric): value
                    for (phase, name), statistics in load_statistics(run.folder).items()
                    for metric, value in values_of(tasks[name], statistics, "image").items()}
        found = frame_values(frame, run.record.run_id)
        assert found == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
        assert found != record_values(run.record)


def test_a_run_that_cannot_be_scored_is_an_error(maker):
    run = maker.run("finetune", tasks=("depth",))
    with pytest.raises(RequestError, match=r"statistics\.npz"):
        tidy_frame(grids_of(maker.collection()), "image")
    save_statistics(run.folder, {(1, "depth"): {"pixels": np.array([1])}})
    with pytest.raises(RequestError, match="does not fit its record"):
        tidy_frame(grids_of(maker.collection()), "image")


# Scores

OF_THE_RUN_ALONE = {"forgetting": relative_forgetting, "forgetting_abs": forgetting,
                    "bwt": relative_bwt, "bwt_abs": bwt}


def expected_scores(record, beside):
    """Every score of one run by key, from its matrix and those of the baselines beside it."""
    own = Matrix.of(record)
    finetune, joint, separate = (Matrix.of(beside[name])
                                 for name in ("finetune", "joint", "separate"))
    last = own.primary[-1]
    return {
        **{key: of(own) for key, of in OF_THE_RUN_ALONE.items()},
        "delta": delta(own, joint), "delta_finetune": delta(own, finetune),
        "delta_joint": delta(own, joint), "delta_separate": delta(own, separate),
        "worst": worst_task(own, joint), "gap": gap_closed(own, finetune, joint),
        "transfer": mean(learning_transfer(own, separate).values()),
        "intransigence": intransigence(own, {last.task: joint.final(last.task, last.metric)})[
            last.task]}


def scored(frame):
    """(label, sequence, seed, score) -> (value or None, reason)."""
    return {(row.label, row.sequence, row.seed, row.score):
            (None if math.isnan(row.value) else row.value, row.reason)
            for row in frame.itertuples()}


def test_scores_are_those_of_each_run(runs):
    grid = grids_of(runs)[0]
    scores = GridScores(grid, baseline="joint")
    records = {(run.record.method.name, run.record.sequence, run.record.seed): run.record
               for run in runs.complete if "lr0.5" not in run.record.run_id}
    expected = {}
    for (method, *key), record in records.items():
        beside = {name: records[name, *key] for name in METHODS}
        expected |= {(method, *key, name): (score.value, score.reason)
                     for name, score in expected_scores(record, beside).items()}
    keys = dict.fromkeys(name for *_, name in expected)
    assert {*keys, *COSTS} == set(scores.columns)
    frame = scores.frame(keys)
    assert list(frame.columns) == ["label", "sequence", "seed", "score", "value", "reason"]
    assert scored(frame) == expected
    assert frame[frame["reason"] == ""]["value"].notna().all()
    assert (frame["value"].isna() & (frame["score"] == "forgetting_abs")).any()


def test_costs_are_those_of_each_record(runs):
    found = scored(GridScores(grids_of(runs)[0]).frame(["carried", "exemplars", "parameters_added",
                                                        "memory", "train", "forwards"]))
    for (label, _, seed, score), (value, reason) in found.items():
        expected = {"carried": 0 if label == "finetune" else 44, "exemplars": 0,
                    "parameters_added": 0, "memory": 1 / 2**20, "train": 3 * (12.5 + seed),
                    "forwards": None}[score]
        assert value == expected
        assert reason == ("passes were not recorded" if score == "forwards" else "")
    assert len(found) == len(METHODS) * len(ORDERS) * 2 * 6


def test_a_final_metric_is_a_score_too(runs):
    found = scored(GridScores(grids_of(runs)[0]).frame(["depth/rmse"]))
    assert found == {
        (run.record.method.name, run.record.sequence, run.record.seed, "depth/rmse"):
        (run.record.matrix["depth"]["rmse"][-1], "")
        for run in runs.complete if "lr0.5" not in run.record.run_id}


def test_a_run_without_its_baseline_has_no_row_of_a_gain(maker):
    maker.run("finetune", 0)
    for seed in (0, 1):
        maker.run("had", seed)
    frame = GridScores(grids_of(maker.collection())[0]).frame(["delta", "forgetting", "transfer"])
    found = {(label, seed, score) for label, _, seed, score in scored(frame)}
    assert found == {("finetune", 0, "delta"), ("had", 0, "delta"), ("finetune", 0, "forgetting"),
                     ("had", 0, "forgetting"), ("had", 1, "forgetting")}


# The command ------------------------------------------------------------------------------------


def test_the_command_writes_the_frame_in_every_format(maker, tmp_path, capsys):
    maker.run("finetune")
    maker.run("had", lr=0.5)
    words = ["table", "--tidy", "--runs", str(maker.folder), "--no-published",
             "--columns", "recipe.lr"]
    wanted = tidy_frame(grids_of(maker.collection()), settings=["recipe.lr"])

    assert invoke([*words, "--format", "csv"]) == 0
    from_csv = pd.read_csv(io.StringIO(capsys.readouterr().out), keep_default_na=False,
                           na_values={"value": [""]})
    pd.testing.assert_frame_equal(from_csv, wanted, check_dtype=False)

    assert invoke([*words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["value"] for row in rows] == wanted["value"].tolist()
    assert list(rows[0]) == list(wanted.columns)

    file = tmp_path / "values.parquet"
    assert invoke([*words, "--format", "parquet", "--to", str(file)]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(file), wanted)


def test_what_cannot_be_written_is_refused(maker, capsys):
    maker.run("finetune")
    words = ["table", "--tidy", "--runs", str(maker.folder), "--no-published"]
    for more, message in ((["--format", "parquet"], "--to FILE.parquet"),
                          (["--format", "latex"], "unknown format 'latex'"),
                          (["--columns", "recipe.learning"], "setting of a run"),
                          (["--orders"], "--orders and --tidy ask for different tables")):
        assert invoke([*words, *more]) == 2
        assert message in capsys.readouterr().err
