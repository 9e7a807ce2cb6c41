"""lhlbench from Python: runs, records and scores are those of the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

import benchmark
from benchmark.cli.app import invoke
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from benchmark.scores import Matrix, relative_forgetting
from tests.helpers.tiny import TINY


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs of finetune and of had, made from Python, and their folder."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, [benchmark.run(name, "rooms_s1", settings=TINY, runs=folder, device="cpu")
                    for name in ("finetune", "had")]


def test_a_run_is_the_one_that_its_command_makes(made, tmp_path, monkeypatch, capsys):
    folder, (_, had) = made
    request = RunRequest.of_record(had.record)
    assert request == RunRequest("had", "rooms_s1", settings=TINY)
    monkeypatch.chdir(tmp_path)
    assert invoke([*request.words[1:], "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["run_id"] == had.record.run_id
    assert again["matrix"] == json.loads(had.record.text)["matrix"]
    assert benchmark.run("had", "rooms_s1", settings=TINY, runs=folder) == had


def test_a_run_predicts(made):
    _, (finetune, _) = made
    images = torch.rand(1, 3, 24, 32)
    found = finetune.predict(images)
    assert found.keys() == finetune.record.matrix.keys()
    assert torch.equal(found["depth"], finetune.network().predict(images, ["depth"])["depth"])


def test_records_become_frames_and_tables(made, capsys):
    folder, runs = made
    loaded = benchmark.load_runs(folder, published=False)
    assert {run.record.run_id for run in loaded} == {run.record.run_id for run in runs}
    assert len(loaded) == 2
    frame = loaded.to_dataframe(settings=["recipe.batch"])
    last = frame[(frame["label"] == "had") & (frame["phase"] == 3) & (frame["metric"] == "rmse")]
    assert last["value"].tolist() == [runs[1].record.matrix["depth"]["rmse"][-1]]
    assert set(frame["recipe.batch"]) == {4}
    scores = loaded.scores().pivot(index="label", columns="score", values="value")
    assert list(scores.columns) == ["bwt", "delta", "forgetting"]
    for run in runs:
        expected = relative_forgetting(Matrix.of(run.record)).value
        assert scores.loc[run.record.method.name, "forgetting"] == expected
    assert invoke(["table", "--runs", str(folder), "--no-published", "--format", "md"]) == 0
    assert capsys.readouterr().out.strip() == loaded.table().strip()


def test_runs_are_chosen_by_settings_and_sequences(made):
    loaded = benchmark.load_runs(made[0], published=False)
    assert len(loaded.where("recipe.batch=4").of_sequences("rooms_*")) == 2
    with pytest.raises(RequestError, match="no finished run has this"):
        loaded.where("recipe.batch=5")
    with pytest.raises(RequestError, match="unknown score 'dleta'"):
        loaded.scores(["dleta"])


def test_published_records_come_along():
    assert len(benchmark.load_runs("nowhere")) >= 24
    assert len(benchmark.load_runs("nowhere", published=False)) == 0


def test_records_and_names_need_no_torch():
    code = ("import benchmark, sys; benchmark.load_network; benchmark.run; "
            "heavy = 'torch' in sys.modules or 'pandas' in sys.modules; "
            "benchmark.load_runs('nowhere').to_dataframe(); "
            "sys.exit(heavy or 'torch' in sys.modules or hasattr(benchmark, 'nothing'))")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
