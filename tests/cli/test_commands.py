"""The command line as a user meets it: output, exit codes, one-line errors, nothing left over."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmark.cli.app import invoke


def test_run_table_plot_show_validate(run, tmp_path, capsys):
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


def test_debug_shows_the_traceback_wherever_it_stands(run):
    words = ["run", "--method", "hat", "--sequence", "rooms_s1"]
    for position in (0, len(words)):
        command = [*words[:position], "--debug", *words[position:]]
        done = subprocess.run([sys.executable, "-m", "benchmark", *command], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode != 0
        assert "Traceback" in done.stderr


@pytest.mark.parametrize("words", [["doctor"], ["ls", "methods"], ["show", "had"],
                                   ["show", "rooms_s2"]])
def test_lists_and_descriptions_are_printed_as_text_and_as_json(words, capsys):
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
