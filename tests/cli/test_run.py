"""`lhlbench run` as a user meets it: output, exit codes, and what is left after an interrupt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml

from tests.cli.conftest import SMALL


def test_unwritable_runs_folder(run, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run("--runs", "file/runs") == 2
    assert "--runs file/runs cannot be written" in capsys.readouterr().err


def test_dry_run_prints_the_whole_configuration_and_does_nothing(run, tmp_path, capsys):
    assert run("--dry-run", "--seed", "3") == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert (config["seed"], config["recipe"]["epochs"]) == (3, 2)
    assert not list(tmp_path.iterdir())


def test_json_output_is_the_record(run, capsys):
    assert run("--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == 1
    assert record["status"] == "complete"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupting_a_run_says_how_to_go_on_and_the_next_one_does(sent, run, tmp_path):
    words = [sys.executable, "-m", "benchmark", "run", "--method", "lwf", "--sequence", "rooms_s1",
             *SMALL, "--set", "recipe.epochs=40"]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads wait for each other on a busy machine
    # A shell that runs these tests in the background makes them ignore Ctrl-C.
    running = subprocess.Popen(words, cwd=tmp_path, env=alone, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL))
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("phase 2/3"):
            break
    running.send_signal(sent)
    rest = running.stderr.read()
    assert running.wait(timeout=60) == 130
    assert rest.startswith("lhlbench: interrupted; the same command goes on")
    done = subprocess.run(words, cwd=tmp_path, env=alone, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0
    assert "phase 1/3" not in done.stderr
    assert "phase 2/3" in done.stderr


def test_a_long_sequence_fits_a_terminal(run, capsys):
    assert run("--set", "recipe.epochs=1", "--set", "dataset.train=40", sequence="rooms10_s1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "just learnt" in lines[2]
    assert max(map(len, lines)) <= 80
