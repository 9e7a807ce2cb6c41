"""Names, files and overrides: what is accepted, and how what is not is explained."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from benchmark.config.family import find_sequence, sequences_of, shipped_sequences
from benchmark.config.recipe import Recipe
from benchmark.config.yaml_file import parse
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError

FAMILY = """\
family: mine
about: Two tasks.
dataset: {name: rooms, train: 20, eval: 4}
tasks: [semantic, depth]
recipe: rooms
"""


def write(folder, text, name="mine.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def test_orders_are_canonical_first_then_lexicographic():
    rooms = {each.name: each.tasks for each in shipped_sequences()
             if each.family.family == "rooms"}
    tasks = ("semantic", "depth", "normal")
    assert list(rooms) == [f"rooms_s{k}" for k in range(1, 7)]
    assert list(rooms.values()) == list(itertools.permutations(tasks))
    assert rooms["rooms_s1"] == tasks


@pytest.mark.parametrize(("family", "tasks"), [("rooms5", 5), ("rooms10", 10)])
def test_shuffled_families_hold_distinct_orders(family, tasks):
    orders = [each.tasks for each in shipped_sequences() if each.family.family == family]
    assert len(orders) == len(set(orders)) == 10
    assert all(sorted(order) == sorted(orders[0]) and len(order) == tasks for order in orders)
    again = [each.tasks for each in shipped_sequences() if each.family.family == family]
    assert orders == again


def test_own_file_is_a_family(tmp_path):
    path = write(tmp_path, FAMILY)
    assert [each.tasks for each in sequences_of(path)] == [("semantic", "depth"),
                                                          ("depth", "semantic")]
    assert find_sequence(str(path)).name == "mine_s1"
    assert find_sequence(f"{path}:s2").tasks == ("depth", "semantic")
    with pytest.raises(RequestError, match=r"mine_s3.*mine_s1"):
        find_sequence(f"{path}:s3")


@pytest.mark.parametrize(("change", "line", "message"), [
    (("tasks:", "tsaks:"), 4, "unknown key 'tsaks'. Did you mean tasks"),
    (("about: Two", "about: [Two"), 3, "expected"),
    (("recipe: rooms", "recipe: rooms\nrecipe: rooms"), 6, "'recipe' stands twice"),
    (("[semantic, depth]", "[semantic, semantic]"), None, "a task stands twice"),
    (("about: Two tasks.", "about: &a x\nsplit: *a"), 3, "aliases are not allowed"),
    (("recipe: rooms", "split: half\nrecipe: rooms"), 5, "split"),
])
def test_malformed_family_names_file_and_line(change, line, message, tmp_path):
    path = write(tmp_path, FAMILY.replace(*change))
    with pytest.raises(RequestError, match=message) as error:
        sequences_of(path)
    assert str(path) in str(error.value)
    if line:
        assert f"line {line}" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "!!python/object/apply:os.system [id]", "a: b: c",
                                  "\x00", "a: " + "[" * 5000])
def test_other_yaml_is_refused_in_one_line(text, tmp_path):
    with pytest.raises(RequestError) as error:
        parse(Recipe, write(tmp_path, text))
    assert "mine.yaml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("request_", "message"), [
    ({"method": "hat"}, "unknown method 'hat'. Did you mean had"),
    ({"sequence": "room_s1"}, "unknown sequence 'room_s1'. Did you mean rooms"),
    ({"settings": ("recipe.epoch=3",)}, "unknown key 'epoch'. Did you mean epochs"),
    ({"settings": ("recipy.epochs=3",)}, "unknown key 'recipy.epochs'. Did you mean recipe.epochs"),
    ({"settings": ("recipe.epochs",)}, "expected key=value"),
    ({"settings": ("recipe.epochs=0",)}, "epochs.*greater than or equal to 1"),
    ({"settings": ("recipe.lr=fast",)}, "lr.*number"),
    ({"settings": ("recipe=3",)}, "not the whole block"),
    ({"settings": ("dataset.trian=3",)}, "unknown key 'trian'. Did you mean train"),
    ({"settings": ("split=halves",)}, "split"),
    ({"method_settings": ("wieght=3",)}, "unknown key 'wieght'. Did you mean weight"),
    ({"method_settings": ("weight=-1",)}, "weight.*greater than or equal to 0"),
    ({"method": "no/such/file.py"}, "does not exist"),
    ({"seed": 0, "sequence": "nowhere.yaml"}, "nowhere.yaml"),
])
def test_wrong_requests_are_explained(request_, message):
    with pytest.raises(RequestError, match=message) as error:
        make_plan(RunRequest(**{"method": "had", "sequence": "rooms_s1", **request_}))
    assert "\n" not in str(error.value)


def test_unknown_task_is_found_before_anything_is_made(tmp_path):
    path = write(tmp_path, FAMILY.replace("semantic, depth", "semantic, dephts"))
    with pytest.raises(RequestError, match=r"unknown task 'dephts'. Did you mean depth"):
        make_plan(RunRequest("had", str(path)))


def test_command_line_wins_over_file():
    plan = make_plan(RunRequest("had", "rooms_s1",
                                settings=("recipe.epochs=5", "dataset.train=30"),
                                method_settings=("weight=2", "group_bins=5")))
    assert plan.config.recipe.epochs == 5
    assert plan.config.recipe.batch == 16
    assert plan.config.dataset["train"] == 30
    assert plan.config.method_config["weight"] == 2
    assert plan.config.method_config["group_bins"] == 5


def test_run_id_changes_with_whatever_changes_numbers():
    request = RunRequest("had", "rooms_s1")
    base = make_plan(request)
    ids = {base.run_id("print")}
    assert base.run_id("print").startswith("had-rooms_s1-seed0-")
    for change in ({"seed": 1}, {"method": "lwf"}, {"sequence": "rooms_s2"},
                   {"settings": ("recipe.lr=0.1",)}, {"method_settings": ("weight=2",)},
                   {"settings": ("split=shared",)}):
        ids.add(make_plan(replace(request, **change)).run_id("print"))
    ids.add(base.run_id("another"))
    assert len(ids) == 8
    same = replace(request, settings=("recipe.epochs=12",))
    assert make_plan(same).run_id("print") in ids
