"""Sweeps through a real Slurm of one node."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest

from benchmark.cli.app import invoke
from benchmark.record import load_record
from tests.clusters.slurm_node import slurm_node
from tests.sweep.test_processes import start, wait_for, words


@pytest.fixture(scope="module")
def node():
    with slurm_node() as environment:
        os.environ.update(environment)
        yield
    for name in environment:
        del os.environ[name]


def slurm(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_records_are_those_of_plain_runs(node, tiny, tmp_path, capsys):
    runs = tmp_path / "swept"
    assert invoke(words(runs, "--methods", "finetune,had", "--launcher", "slurm",
                        "--slurm", "time=10")) == 0
    assert "2 of 2 runs are done" in capsys.readouterr().err
    for folder in runs.iterdir():
        record = load_record(folder)
        alone = tiny(record.method.name, settings=["recipe.epochs=1"]).record
        assert record.matrix == alone.matrix
        assert record.run_id == alone.run_id
    assert sorted(folder.name.partition("-")[0] for folder in runs.iterdir()) == [
        "finetune", "had"]  # and nothing of the launcher's


def test_a_run_at_its_time_limit_is_queued_again_and_goes_on(node, tiny, tmp_path, capsys):
    runs = tmp_path / "swept"
    epochs = 60

    def end_its_time():
        """What Slurm does a while before the time limit, without waiting for it."""
        wait_for(lambda: list(runs.glob("*/boundary.safetensors")))
        job = slurm("squeue", "--noheader", "--format=%i").strip()
        slurm("scancel", "--signal=USR2", job)
        wait_for(lambda: "PENDING" in slurm("squeue", "--noheader", "--format=%T"))
        slurm("scontrol", "update", f"jobid={job}", "StartTime=now")

    thread = threading.Thread(target=end_its_time)
    thread.start()
    assert invoke(words(runs, "--methods", "finetune", "--launcher", "slurm",
                        epochs=epochs)) == 0
    thread.join()
    err = capsys.readouterr().err
    assert err.count("[1/1] finetune on rooms_s1, seed 0: begins") == 2
    (folder,) = runs.iterdir()
    alone = tiny("finetune", settings=[f"recipe.epochs={epochs}"]).record
    assert load_record(folder).matrix == alone.matrix


def test_a_job_that_is_cancelled_and_a_sweep_that_is_interrupted(node, tmp_path):
    runs, log = tmp_path / "swept", tmp_path / "log.txt"
    sweep = start(words(runs, "--methods", "finetune,ewc", "--launcher", "slurm", "--workers", "1",
                        epochs=500), log)
    try:
        wait_for(lambda: list(runs.glob("*/log.jsonl")))
        assert len(slurm("squeue", "--noheader", "--array").splitlines()) == 2
        sweep.send_signal(2)
        assert sweep.wait(60) == 130
        wait_for(lambda: not slurm("squeue", "--noheader").strip())
    finally:
        sweep.kill()
    assert "0 of 2 runs are done" in log.read_text()
    assert not list(runs.glob("*/record.json"))


def test_what_slurm_refuses_is_told(node, tmp_path, capsys):
    request = words(tmp_path / "swept", "--methods", "finetune", "--launcher", "slurm")
    assert invoke([*request, "--slurm", "partition=none"]) == 2
    assert "Slurm refuses the jobs" in capsys.readouterr().err
    assert invoke([*request, "--slurm", "time=soon"]) == 2
    assert "--slurm time=soon: write minutes, HH:MM:SS" in capsys.readouterr().err
