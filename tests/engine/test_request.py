"""Requests: values that write the command of their run and are read back from it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli.app import app
from benchmark.engine.request import RunCommand, RunRequest, option_words
from benchmark.errors import RequestError

PLAIN = RunRequest("ewc", "rooms_s1")
FULL = RunRequest("my methods/idea.py", "mine's.yaml:s2", 3, ("recipe.crop=[8, 8]", "split=shared"),
                  ("weight=2",), "released", True)

TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1)
VALUES = st.builds("{}={}".format, st.from_regex(r"[a-z][a-z.]*", fullmatch=True), TEXT)
NAMES = TEXT.filter(lambda text: not text.startswith("-"))
REQUESTS = st.builds(RunRequest, NAMES, NAMES, st.integers(0, 10**9), st.lists(VALUES).map(tuple),
                     st.lists(VALUES).map(tuple), st.none() | NAMES, st.booleans())


@given(REQUESTS)
def test_a_request_is_read_back_from_its_command(request_):
    assert RunRequest.from_command(request_.command(["--device", "cpu"])) == request_
    assert RunRequest.parse(request_.words) == request_


def test_equal_requests_write_equal_commands_in_one_order():
    assert PLAIN == RunRequest("ewc", "rooms_s1", 0) != replace(PLAIN, seed=1)
    assert len({PLAIN, replace(PLAIN, tuned=False), replace(PLAIN, tuned=True)}) == 2
    assert PLAIN.command() == "lhlbench run --method ewc --sequence rooms_s1 --seed 0"
    assert FULL.command(["--runs", "a b"]) == (
        "lhlbench run --method 'my methods/idea.py' --sequence 'mine'\"'\"'s.yaml:s2' --seed 3 "
        "--set 'recipe.crop=[8, 8]' --set split=shared --method-set weight=2 --recipe released "
        "--tuned --runs 'a b'")
    assert str(FULL) == "my methods/idea.py on mine's.yaml:s2, seed 3"


@pytest.mark.parametrize(("command", "request_", "options"), [
    ("lhlbench run --tuned --sequence=rooms_s1 --method=ewc", replace(PLAIN, tuned=True), ()),
    ("lhlbench --debug run --device cpu --method ewc --sequence rooms_s1 --json", PLAIN,
     ("--device", "cpu", "--json")),
    ("/venv/bin/lhlbench run --method ewc --sequence rooms_s1 --seed 7 --holding resident",
     replace(PLAIN, seed=7), ("--holding", "resident")),
    ("lhlbench run --method ewc --precision bf16 --sequence rooms_s1 --set recipe.lr=0.1",
     replace(PLAIN, settings=("recipe.lr=0.1", "recipe.precision=bf16")), ())])
def test_commands_of_records_are_read_whatever_their_order(command, request_, options):
    found = RunCommand.parse(command)
    assert (found.request, found.options) == (request_, options)
    assert RunCommand.parse(str(found)) == found


@pytest.mark.parametrize(("command", "message"), [
    ("", "'' is not a command lhlbench run"),
    ("lhlbench tune ewc", "'lhlbench tune ewc' is not a command"),
    ("lhlbench run 'open", "No closing quotation"),
    ("lhlbench run --method ewc", "required: --sequence"),
    ("lhlbench run --method ewc --sequence rooms_s1 --seed one", "invalid int value: 'one'")])
def test_other_commands_are_refused(command, message):
    with pytest.raises(RequestError, match=message):
        RunRequest.from_command(command)


def test_the_same_run_with_another_order_seed_or_method():
    assert PLAIN.in_order("rooms_s4") == RunRequest("ewc", "rooms_s4")
    assert PLAIN.in_order("rooms_s4", seed=2) == RunRequest("ewc", "rooms_s4", 2)
    assert FULL.in_order("mine_s5") == replace(FULL, sequence="mine's.yaml:s5")
    assert replace(FULL, sequence="a.yaml").in_order("mine_s1").sequence == "a.yaml:s1"
    assert FULL.of_method("finetune") == replace(FULL, method="finetune", method_settings=())


def test_portable_commands_name_no_folder_of_this_machine():
    found = RunCommand.parse(
        "/home/zoe/bin/lhlbench run --method /home/zoe/idea.py --sequence 'C:\\zoe\\mine.yaml:s2' "
        "--runs /home/zoe/runs --data-root=/data/zoe --device cuda --overwrite --json")
    assert str(found.portable()) == (
        "lhlbench run --method idea.py --sequence mine.yaml:s2 --seed 0 --device cuda")


def test_option_words_leave_defaults_out():
    assert option_words() == option_words("auto", None, Path("results/runs")) == []
    assert option_words("cpu", Path("data"), Path("my runs")) == [
        "--device", "cpu", "--data-root", "data", "--runs", "my runs"]


def test_a_record_without_a_command_gives_method_sequence_and_seed(tiny):
    record = tiny("finetune", "rooms_s2", 4, ["recipe.epochs=1"]).record
    assert RunRequest.of_record(record) == RunRequest("finetune", "rooms_s2", 4)
    command = FULL.command(["--device", "cpu"])
    recorded = record.model_copy(update={"environment": {"command": command}})
    assert RunRequest.of_record(recorded) == FULL


def test_every_option_of_the_command_is_in_the_request_or_changes_no_number():
    request_ = {"--method", "--sequence", "--seed", "--set", "--method-set", "--precision",
                "--recipe", "--tuned"}
    without_effect = {"--device", "--preload", "--data-root", "--runs", "--dry-run", "--overwrite",
                      "--json"}
    (command,) = (each for name, each in typer.main.get_command(app).commands.items()
                  if name == "run")
    assert {option for each in command.params for option in each.opts} == (
        request_ | without_effect)
    words = ["--method=m", "--sequence=s", *(f"{option}=1" for option in request_ - {
        "--method", "--sequence", "--tuned"}), "--tuned"]
    assert RunCommand.parse(shlex.join(["lhlbench", "run", *words])).options == ()
