"""Collecting records, choosing among them, and which of them may be compared."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from benchmark.cli.app import invoke
from benchmark.config.overrides import setting_text
from benchmark.errors import RequestError
from benchmark.report.runs.collection import collect
from benchmark.report.runs.grid import sequence_grids
from benchmark.report.runs.settings import contrast, flatten


def labels_of(maker):
    """The labels of the methods of the only grid there is."""
    grid, = sequence_grids(maker.collection())
    return [method.label for method in grid.methods]


def test_folders_that_do_not_exist_hold_no_records(tmp_path):
    found = collect(tmp_path / "runs", tmp_path / "published")
    assert (found.complete, found.failed, found.warnings) == ((), (), ())


def test_a_damaged_record_is_a_warning_that_names_the_file(maker):
    good, bad = maker.run("finetune"), maker.run("had")
    (bad.folder / "record.json").write_text('{"schema": 1, "run_id": NaN}')
    (maker.folder / "empty").mkdir()
    (maker.folder / "empty" / "record.json").write_bytes(b"\xff\x00")
    found = collect(maker.folder)
    assert [each.record.run_id for each in found.complete] == [good.record.run_id]
    assert len(found.warnings) == 2
    assert any(str(bad.folder / "record.json") in warning for warning in found.warnings)


def test_a_local_record_wins_over_a_published_one(maker, tmp_path):
    run = maker.run("had")
    published = tmp_path / "published" / "rooms" / run.folder.name
    shutil.copytree(run.folder, published)
    other = tmp_path / "published" / "only_here"
    shutil.copytree(run.folder, other)
    content = json.loads((other / "record.json").read_text())
    (other / "record.json").write_text(json.dumps(content | {"run_id": "only-here"}))
    found = collect(maker.folder, tmp_path / "published")
    assert {each.record.run_id: each.published for each in found.complete} == {
        run.record.run_id: False, "only-here": True}
    assert found.warnings == ()


def test_failed_runs_are_kept_apart_and_copies_reported(maker):
    maker.run("had", failed="loss is not finite")
    run = maker.run("lwf")
    shutil.copytree(run.folder, maker.folder / "z_copy")
    found = collect(maker.folder)
    assert [each.record.method.name for each in found.complete] == ["lwf"]
    assert [each.record.method.name for each in found.failed] == ["had"]
    assert "z_copy" in found.warnings[0]


def test_data_sets_recipes_and_protocols_are_never_mixed(maker):
    for seed in (0, 1):
        maker.run("had", seed)
    maker.run("had", 0, epochs=5)
    maker.run("had", 0, fingerprint="0" * 64)
    grids = sequence_grids(maker.collection())
    assert [len(grid.methods[0].runs) for grid in grids] == [2, 1, 1]
    assert grids[0].title == "rooms_s1"
    assert {grid.title for grid in grids[1:]} == {
        "rooms_s1 (recipe.epochs=5)", "rooms_s1 (dataset fingerprint=000000000000)"}


def test_sequences_are_chosen_by_name_or_pattern(maker):
    for sequence in ("rooms_s1", "rooms_s2", "nyuv2_s1"):
        maker.run("had", sequence=sequence)
    collection = maker.collection()

    def names(patterns):
        return [grid.name for grid in sequence_grids(collection, patterns)]

    assert names(None) == ["nyuv2_s1", "rooms_s1", "rooms_s2"]
    assert names(["rooms_*"]) == ["rooms_s1", "rooms_s2"]
    assert names(["nyuv2_s1", "rooms_s2"]) == ["nyuv2_s1", "rooms_s2"]
    with pytest.raises(RequestError, match=r"room_s1.*rooms_s1"):
        sequence_grids(collection, ["room_s1"])


def test_ablations_are_named_by_what_they_change(maker):
    for change in ({}, {"weight": 3.0}, {"bins": 5}, {"dual": False}):
        maker.run("had", method_config={"weight": 1.0, "bins": 2, "dual": True} | change)
    labels = labels_of(maker)
    assert labels == ["had", "had (bins=5)", "had (dual=false)", "had (weight=3.0)"]


def test_the_most_frequent_configuration_needs_no_label(maker):
    for seed in range(3):
        maker.run("had", seed, method_config={"weight": 3.0, "new": {"a": 1}})
    maker.run("had", 0, method_config={"weight": 1.0, "new": {"a": 1}})
    labels = labels_of(maker)
    assert labels == ["had", "had (weight=1.0)"]


def test_a_setting_that_came_later_sets_runs_apart_even_when_it_is_none(maker):
    for seed in (0, 1):
        maker.run("had", seed, method_config={"weight": 3.0})
    maker.run("had", 0, method_config={"weight": 3.0, "group_bins": None})
    assert labels_of(maker) == ["had", "had (group_bins=null)"]


def test_versions_of_a_plug_in_are_never_mixed(maker):
    for seed, version in ((0, "a" * 64), (1, "b" * 64)):
        maker.run("mine", seed, plug_in=version, about=f"written on day {seed}",
                  command="lhlbench run --method 'my methods/mine.py' --sequence rooms_s1 "
                          f"--seed {seed}")
    grid, = sequence_grids(maker.collection())
    assert labels_of(maker) == ["mine (file=aaaaaaaa)", "mine (file=bbbbbbbb)"]
    assert grid.command("mine", ("rooms_s1", 1), grid.methods[0]) == (
        "lhlbench run --method 'my methods/mine.py' --sequence rooms_s1 --seed 1")


@pytest.mark.parametrize("value", ["none", "true", "3", "1e-4", "a: b", "[", "", "é", None, True,
                                   1e-05, 7, [1, 2.5], 0.1])
def test_values_survive_the_command_line(value):
    read = yaml.safe_load(setting_text(value))
    assert (float(read) if isinstance(value, float) else read) == value


def test_without_a_usual_configuration_all_are_named():
    assert contrast([{"a": 1, "b": 1}, {"a": 2, "b": 1}], [2, 2]) == [{"a": 1}, {"a": 2}]
    assert contrast([{"a": 1}, {"a": 1, "b": 2}], [1, 1]) == [{"b": None}, {"b": 2}]
    assert contrast([{"a": 1}], [1]) == [{}]
    assert flatten({"a": {"b": {"c": 1}}, "d": [1, {"e": 2}], "f": {}}) == {
        "a.b.c": 1, "d": [1, {"e": 2}], "f": {}}


def test_runs_are_chosen_by_their_settings(maker):
    for seed, lr in ((0, 0.5), (1, 0.5), (0, 1e-4)):
        maker.run("had", seed, lr=lr)
    maker.run("had", 0, method_config={"weight": 2.0})
    found = maker.collection()
    assert {each.record.seed for each in found.with_settings(["recipe.lr=0.5"]).complete} == {0, 1}
    chosen = found.with_settings(["recipe.lr=0.0001", "method_config.weight=1"])
    assert len(chosen.complete) == 1
    for where, message in ((["recipe.ls=1"], "Did you mean recipe.lr"),
                           (["recipe.lr=3"], "no finished"),
                           (["recipe.lr"], "expected key=value")):
        with pytest.raises(RequestError, match=message):
            found.with_settings(where)
    assert invoke(["table", "--runs", str(maker.folder), "--no-published",
                   "--where", "recipe.lr=0.5", "--format", "md"]) == 0
