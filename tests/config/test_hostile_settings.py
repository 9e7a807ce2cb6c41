"""Settings and files that no sensible user writes: one short message each, at once."""

from __future__ import annotations

import os
import time

import pytest

from benchmark.cli.app import invoke
from benchmark.config.family import sequences_of
from benchmark.config.overrides import setting_text
from benchmark.config.recipe import Recipe
from benchmark.config.yaml_file import parse, read_value
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from tests.config.test_config import FAMILY, write

LONG = "9" * 5000


@pytest.mark.parametrize(("setting", "message"), [
    ("recipe.lr=.inf", "lr: inf is not a finite"), ("recipe.lr=1e400", "lr: inf is not a fin"),
    ("recipe.lr=2001-99-99", "read as a date"), ("recipe.lr=2001-01-01", "read as a date"),
    ("recipe.lr=!!int abc", "tags such as"), ("recipe.lr=!!bool maybe", "tags such as"),
    ("recipe.lr=!!timestamp abc", "tags such as"), ("recipe.lr=!!set {a}", "tags such as"),
    (f"recipe.epochs={LONG}", "the number is too long"), ("recipe.epochs=0x" + "F" * 99, "too lo"),
    ("recipe.epochs=99999999999999999999", "too large for a whole number"),
    ("recipe.epochs=" + "1:" * 40 + "1", "too large for a whole number"),
    ("recipe.crop=" + "[" * 5000, "nested too deeply"), ("recipe.lr=? [a]: c", "single word"),
    ("recipe.crop=[&a 1, *a]", "aliases are not allowed"),
    ("held_out=nan", "nan is not a finite number"), ("held_out=.nan", "not a finite number"),
    ("recipe.backbone=" + "x" * 5000, ""), ("x" * 5000 + "=1", "unknown key"),
    ("recipe." + "y" * 5000 + "=1", "unknown key"), ("recipe.lr=\x1b[31m", "not allowed")])
def test_a_setting_is_refused_in_one_short_line(setting, message, capsys):
    begin = time.monotonic()
    code = invoke(["run", "--method", "had", "--sequence", "rooms_s1", "--dry-run", "--set",
                   setting])
    printed = capsys.readouterr()
    assert time.monotonic() - begin < 5
    if not message:  # a name that is only looked up when the network is made
        assert code == 0
        return
    assert code == 2
    assert message in printed.err
    assert printed.err.endswith("\n") and printed.err[:-1].isprintable()
    assert len(printed.err) < 1200


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [*{before},*{before},*{before}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True))


@pytest.mark.parametrize(("text", "message"), [
    ("? [a]: c", "line 1: a key must be a single word"), ("lr: !!set {a}", "line 1: tags such as"),
    ("lr: !!bool maybe", "tags such as"), ("lr: !!timestamp abc", "tags such as"),
    ("lr: !!python/object/apply:os.system [id]", "tags such as"), ("!!map {lr: 1}", "tags such"),
    (BOMB, "aliases are not allowed"), ("lr: 1\nlr: 2", "line 2: key 'lr' stands twice"),
    (f"epochs: {LONG}", "line 1: the number is too long"), ("a: " + "[" * 5000, "too deeply"),
    ("- " * 2000, "nested too deeply"), ("x" * (1 << 20) + ": 1", "larger than 1048576 bytes"),
    ("lr: .nan", "line 1: lr: Input should be gr"), ("{[a, b]: c}", "single word"),
    ("z" * 1000 + ": 1", "unknown key 'zzz"), ("about: \x00", "cannot be read")])
def test_a_file_is_refused_in_one_short_line(text, message, tmp_path):
    path = write(tmp_path, text)
    begin = time.monotonic()
    with pytest.raises(RequestError) as error:
        parse(Recipe, path)
    assert time.monotonic() - begin < 5
    assert message in str(error.value) and str(path) in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000


def test_pipes_folders_and_circles_of_links_are_no_configuration(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "circle.yaml").symlink_to("circle.yaml")
    for name in ("pipe", "folder", "circle"):
        with pytest.raises(RequestError, match=f"{name}.yaml cannot be read"):
            sequences_of(tmp_path / f"{name}.yaml")


@pytest.mark.parametrize(("change", "message"), [
    (("tasks: [semantic, depth]", "tasks: [semantic, depth]\norders: {shuffles: 1000000}"),
     "less than or equal to 1000"),
    (("family: mine", "family: " + "m" * 5000), "at most 80"),
    (("recipe: rooms", "recipe: " + "r" * 5000), "unknown recipe"),
    (("recipe: rooms", "recipe: ../recipes/rooms"), "unknown recipe"),
    (("recipe: rooms", "recipe: rooms\nheld_out: .inf"), "line 6: held_out: Input should be less"),
    (("train: 20", f"train: {LONG}"), "the number is too long")])
def test_a_family_that_would_hang_or_fill_the_disk_is_refused(change, message, tmp_path):
    path = write(tmp_path, FAMILY.replace(*change))
    with pytest.raises(RequestError, match=message) as error:
        make_plan(RunRequest("had", str(path)))
    assert len(str(error.value)) < 1000


X = "x" * 5000
RUN = ["run", "--method", "had", "--sequence"]


@pytest.mark.parametrize("words", [
    [*RUN, X], [*RUN, f"{X}.yaml"], [*RUN, "rooms_s1", "--method", X], ["ls", "runs", "--runs", X],
    [*RUN, "rooms_s1", "--method", f"{X}.py"], ["show", X], ["validate", X], ["data", "info", X],
    ["tune", "had", "--seeds", "-1"], ["tune", "had", "--seeds", "²"]], ids=range(10))
def test_names_of_5000_letters_and_odd_numbers_are_one_message(
        words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(words) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("lhlbench: ") and printed.count("\n") == 1 and len(printed) < 3000
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["2001-01-01", "&a", "*a", "!!int 3", ".inf", "1_000", "=", "<<"])
def test_words_that_yaml_would_read_otherwise_are_quoted(value):
    assert read_value(setting_text(value)) == value
