"""`lhlbench run` as a user meets it: output, exit codes, and what is left after an interrupt."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import yaml

from benchmark.errors import STOP_SIGNALS
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


def default_signals():
    """A shell that runs these tests in the background makes them ignore Ctrl-C."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(("sent", "code", "told"), [
    (signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 75, "stopped by SIGTERM")])
def test_a_run_that_is_stopped_saves_and_the_next_one_goes_on(sent, code, told, tmp_path):
    words = [sys.executable, "-m", "benchmark", "run", "--method", "lwf", "--sequence", "rooms_s1",
             *SMALL, "--set", "recipe.epochs=40"]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads wait for each other on a busy machine
    running = subprocess.Popen(words, cwd=tmp_path, env=alone, stderr=subprocess.PIPE, text=True,
                               preexec_fn=default_signals)
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("phase 2/3"):
            break
    running.send_signal(sent)
    rest = running.stderr.read()
    assert running.wait(timeout=60) == code
    left = re.fullmatch(rf"lhlbench: {told}; left off in phase 2 after epoch (\d+); "
                        "the same command goes on from there\n", rest)
    assert left, rest
    done = subprocess.run(words, cwd=tmp_path, env=alone, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0
    assert f"going on in phase 2 after epoch {left[1]}\n" in done.stderr
    assert "phase 1/3" not in done.stderr


SENT_DURING_IMPORT = """
import os, sys

class Sender:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), {sent})

sys.meta_path.insert(0, Sender())
sys.argv = ["lhlbench", "ls", "methods"]
from benchmark.__main__ import main
main()
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
@pytest.mark.parametrize("module", ["benchmark.cli.app", "typer", "benchmark.registry"])
def test_a_signal_while_the_program_starts_ends_it_without_a_traceback(module, sent, code):
    script = SENT_DURING_IMPORT.format(module=module, sent=int(sent))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                           timeout=60, preexec_fn=default_signals)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


def test_a_long_sequence_fits_a_terminal(run, capsys):
    assert run("--set", "recipe.epochs=1", "--set", "dataset.train=40", sequence="rooms10_s1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "just learnt" in lines[2]
    assert max(map(len, lines)) <= 80
