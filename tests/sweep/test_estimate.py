"""What a plan says before anything is run: expected time, and what a table would miss."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli.app import invoke
from benchmark.data.sources.source import DataPaths
from benchmark.engine.options import Options
from benchmark.record import load_record
from benchmark.sweep.estimate import Expectation, Workload, seconds_of
from benchmark.sweep.launchers.launcher import LaunchSettings
from benchmark.sweep.launchers.local import worker_gpus
from benchmark.sweep.launchers.message_file import MessageReader, MessageWriter
from benchmark.sweep.status import missing_baseline
from benchmark.sweep.worker import Message
from tests.helpers.tiny import TINY
from tests.sweep.test_sweep import requests, words

seconds = st.floats(0.1, 1e5)


@given(own=st.lists(seconds, min_size=1), other=st.lists(seconds), orders=st.lists(seconds))
def test_runs_of_the_same_kind_tell_the_time_and_others_do_not_matter(own, other, orders):
    workload = Workload("ewc", "rooms_s1", "tasks")
    known = ([(workload, each) for each in own]
             + [(Workload("had", "rooms_s1", "tasks"), each) for each in other]
             + [(Workload("ewc", "rooms_s2", "tasks"), each) for each in orders])
    expected = Expectation(known)
    assert expected.seconds(workload) == pytest.approx(sum(own) / len(own))
    assert expected.runs == len(own) + len(other) + len(orders)
    if orders:
        known = [each for each in known if each[0] != workload]
        assert Expectation(known).seconds(workload) == pytest.approx(sum(orders) / len(orders))


@given(first=seconds, second=seconds, there=seconds)
def test_another_method_tells_the_time_by_what_the_two_take_elsewhere(first, second, there):
    known = [(Workload("ewc", "a_s1", "a"), first), (Workload("had", "a_s1", "a"), second),
             (Workload("ewc", "b_s1", "b"), there)]
    expected = Expectation(known)
    assert expected.seconds(Workload("had", "b_s1", "b")) == pytest.approx(there * second / first)
    assert expected.seconds(Workload("mas", "b_s1", "b")) == pytest.approx(there)
    assert expected.seconds(Workload("mas", "c_s1", "c")) is None
    assert Expectation([]).seconds(Workload("mas", "c_s1", "c")) is None


def test_a_plan_tells_the_time_by_finished_runs_and_what_tables_compare_with(tiny, tmp_path,
                                                                             capsys):
    folder = tiny("ewc", settings=["recipe.epochs=1"]).folder
    record = load_record(folder)
    hours = [phase.model_copy(update={"train_seconds": 3600.0, "eval_seconds": 0.0})
             for phase in record.phases]
    record.model_copy(update={"phases": tuple(hours)}).save(folder)
    assert seconds_of(load_record(folder)) == 3 * 3600
    request = words("--methods", "ewc", "--sequences", "rooms_s1,rooms_s2", "--seeds", "0,1",
                    "--runs", str(folder.parent), "--workers", "2", "--dry-run", "--json")
    assert invoke(request) == 0
    out, err = capsys.readouterr()
    assert [each["state"] for each in json.loads(out)] == ["done", "left", "left", "left"]
    assert "4 runs: 1 done, 3 left" in err
    assert "about 4 h 30 min with 2 workers, by the times of 1 finished runs" in err
    assert "tables compare with finetune, of which 4 of 4 runs" in err
    assert invoke([*request, "--set", "recipe.epochs=2"]) == 0
    assert "finished runs" not in capsys.readouterr().err  # nothing similar is known


def test_a_baseline_that_is_planned_or_done_is_not_missed(cache, tiny):
    def missing(methods):
        return missing_baseline(requests(methods, "rooms_s1,rooms_s2",
                                         settings=(*TINY, "recipe.epochs=1")), options, "finetune")

    folder = tiny("finetune", settings=["recipe.epochs=1"]).folder
    options = Options(runs=folder.parent, data_paths=DataPaths(cache), device="cpu")
    assert missing("ewc,mas") == (1, 2)
    assert missing("ewc,finetune") == (0, 0)


def test_workers_share_the_gpus(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def gpus(**options):
        return worker_gpus(LaunchSettings("local", tmp_path, **options))

    assert gpus() == ["0", "1", "2"]
    assert gpus(per_gpu=2) == ["0", "1", "2", "0", "1", "2"]
    assert gpus(workers=4) == ["0", "1", "2", "0"]
    assert gpus(workers=4, per_gpu=2) == ["0", "1", "2", "0"]
    assert gpus(workers=2, device="cpu") == [None, None]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5, 7")
    assert gpus(per_gpu=1) == ["GPU-5", "7"]


def test_messages_come_whole_and_once(tmp_path):
    writer, reader = MessageWriter(tmp_path / "run.jsonl"), MessageReader(tmp_path / "run.jsonl")
    assert reader.receive() == []
    first, second = Message("running", 0.5, "phase 1/3"), Message("failed", reason="é\n[red]")
    writer.send(first)
    assert reader.receive() == [first]
    writer.send(second)
    with open(writer.path, "ab") as file:
        file.write(b'{"state": "done"')  # half a line
    assert reader.receive() == [second]
    with open(writer.path, "ab") as file:
        file.write(b"}\n")
    assert reader.receive() == [Message("done")]
