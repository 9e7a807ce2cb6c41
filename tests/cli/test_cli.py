"""The command line as a user meets it: output, exit codes, one-line errors, nothing left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from benchmark.cli.app import invoke
from tests.helpers.tiny import TINY

SMALL = [word for setting in TINY for word in ("--set", setting)]


def run(*words, method="finetune", sequence="rooms_s1"):
    return invoke(["run", "--method", method, "--sequence", sequence, *SMALL, *words])


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_run_table_plot_show_validate(tmp_path, capsys):
    for method in ("finetune", "lwf"):
        assert run(method=method) == 0
    out, err = capsys.readouterr()
    assert "phase 2/3: depth" in err
    assert "after phase 3" in err
    assert "record: results/runs/lwf-rooms_s1-seed0-" in out
    assert run(method="lwf") == 0
    assert "finished" in capsys.readouterr().err

    assert invoke(["ls", "runs", "--json", "--no-published"]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert [(each["method"], each["status"]) for each in runs] == [("finetune", "complete"),
                                                                   ("lwf", "complete")]
    assert invoke(["table", "--no-published", "--format", "md"]) == 0
    table = capsys.readouterr().out
    assert "lwf" in table
    assert "finetune" in table
    assert invoke(["plot", "forgetting", "--no-published", "--to", "figures"]) == 0
    for line in capsys.readouterr().out.split():
        assert os.path.getsize(line) > 1000
    assert invoke(["show", runs[0]["run"], "--no-published"]) == 0
    assert "after 3" in capsys.readouterr().out
    assert invoke(["validate", runs[0]["folder"]]) == 0
    capsys.readouterr()

    file = tmp_path / runs[0]["folder"] / "record.json"
    record = json.loads(file.read_text())
    record["matrix"]["depth"]["abs"][2] *= 0.9
    file.write_text(json.dumps(record))
    assert invoke(["validate", str(file)]) == 2
    assert "matrix['depth']['abs'] after phase 3" in capsys.readouterr().out


@pytest.mark.parametrize("words", [
    ["run", "--method", "hat", "--sequence", "rooms_s1"],
    ["run", "--method", "had", "--sequence", "rooms_s9"],
    ["run", "--method", "had", "--sequence", "rooms_s1", "--set", "recipe.epoch=3"],
    ["run", "--method", "had", "--sequence", "rooms_s1", "--device", "tpu"],
    ["run", "--method", "had", "--sequence", "rooms_s1", "--data-root", "nowhere"],
    ["run", "--method", "had", "--sequence", "rooms_s1", "--precision", "fp8"],
    ["run", "--method", "had"], ["run", "--bogus"], ["ls", "everything"], ["show", "nothing"],
    ["plot", "circles"], ["table"], ["table", "--baseline", "best"], ["validate", "nowhere.json"],
    ["nonsense"]])
def test_wrong_requests_exit_2_with_one_line_and_leave_nothing(words, tmp_path, capsys):
    assert invoke([*words, *(["--no-published"] if words[0] in ("table", "plot") else [])]) == 2
    message = capsys.readouterr().err.strip()
    assert message.startswith("lhlbench: ")
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


def test_unwritable_runs_folder(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run("--runs", "file/runs") == 2
    assert "--runs file/runs cannot be written" in capsys.readouterr().err


def test_dry_run_prints_the_whole_configuration_and_does_nothing(tmp_path, capsys):
    import yaml

    assert run("--dry-run", "--seed", "3") == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert (config["seed"], config["recipe"]["epochs"]) == (3, 2)
    assert not list(tmp_path.iterdir())


def test_json_output_is_the_record(capsys):
    assert run("--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == 1
    assert record["status"] == "complete"


def test_debug_shows_the_traceback_wherever_it_stands():
    words = ["run", "--method", "hat", "--sequence", "rooms_s1"]
    for place in (0, len(words)):
        asked = [*words[:place], "--debug", *words[place:]]
        done = subprocess.run([sys.executable, "-m", "benchmark", *asked], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode != 0
        assert "Traceback" in done.stderr


@pytest.mark.parametrize("words", [["doctor"], ["ls", "methods"], ["show", "had"],
                                   ["show", "rooms_s2"]])
def test_tellers_tell_in_words_and_in_json(words, capsys):
    assert invoke(words) == 0
    assert len(capsys.readouterr().out) > 100
    assert invoke([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_every_default_of_every_method_names_its_source(capsys):
    assert invoke(["ls", "methods", "--json"]) == 0
    for method in json.loads(capsys.readouterr().out):
        assert method["summary"]
        assert invoke(["show", method["method"], "--json"]) == 0
        for setting in json.loads(capsys.readouterr().out)["settings"]:
            assert setting["source"] in ("paper", "released code", "ours"), setting
            assert setting["description"]


def test_interrupting_a_run_says_how_to_go_on_and_the_next_one_does(tmp_path):
    words = [sys.executable, "-m", "benchmark", "run", "--method", "lwf", "--sequence", "rooms_s1",
             *SMALL, "--set", "recipe.epochs=40"]
    # Whoever runs these tests in the background of a shell hands down that Ctrl-C is ignored.
    running = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("phase 2/3"):
            break
    running.send_signal(signal.SIGINT)
    rest = running.stderr.read()
    assert running.wait(timeout=60) == 130
    assert rest.startswith("lhlbench: interrupted; the same command goes on")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "phase 1/3" not in done.stderr
    assert "phase 2/3" in done.stderr


def test_a_long_sequence_fits_a_terminal(capsys):
    assert run("--set", "recipe.epochs=1", "--set", "dataset.train=40", sequence="rooms10_s1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "just learnt" in lines[2]
    assert max(map(len, lines)) <= 80
