"""An edited record is refused, with the first difference as the message."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli.app import invoke
from benchmark.config.shipped import shipped
from benchmark.data.loading.blocks import batch_sizes
from benchmark.record import load_statistics, run_id, save_statistics
from benchmark.report.submission.validation import first_problem

PUBLISHED = shipped("results/published") / "rooms_s1"


@pytest.fixture
def copied(tmp_path):
    """A valid record of a method, to be edited."""

    def copy_of(name: str = "lwf") -> Path:
        source = next(iter(sorted(PUBLISHED.glob(f"{name}-*"))))
        return Path(shutil.copytree(source, tmp_path / "runs" / source.name))

    return copy_of


def edit(folder: Path, change) -> None:
    file = folder / "record.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def put(dotted: str, value):
    """A change of one value of a record."""
    def change(content):
        *parents, last = (int(key) if key.isdecimal() else key for key in dotted.split("."))
        for key in parents:
            content = content[key]
        content[last] = value

    return change


EDITS = [
    ("seed", 5, "config.seed is 0, the record's head says 5"),
    ("method.config.weight", 9.0, "config.method_config is"),
    ("method.name", "had", "config.method is 'lwf', the record's head says 'had'"),
    ("method.kind", "bound", "method.kind is bound, lwf is lifelong"),
    ("config.recipe.weight_decay", 0.5, "one of them was changed"),
    ("config.dataset.seed", 3, "one of them was changed"),
    ("config.dataset.name", "cityscapes", "dataset"),
    ("config.tasks", ["semantic", "normal", "depth"], "config.tasks is"),
    ("config.split", "shared", "phase 1: steps is 300; 12 epochs of 1200 images"),
    ("config.recipe.epochs", 24, "phase 1: epochs is 12; 24 epochs"),
    ("config.recipe.epochs", "many", "config.recipe: epochs"),
    ("config.recipe", [1], "config.recipe is missing"),
    ("dataset.fingerprint", "0123456789abcdef", "one of them was changed"),
    ("dataset.fingerprint", "rooms", "dataset.fingerprint is 'rooms', not 16 digits"),
    ("dataset.eval_images", 100, "dataset.eval_images is 100, config.dataset.eval is 200"),
    ("dataset.train_images", 900, "dataset.train_images is 900, config.dataset.train is"),
    ("phases.1.steps", 299, "phase 2: steps is 299; 12 epochs of 400 images in batches of 16 make"),
    ("phases.1.images", 1, "phase 2: images is 1"),
    ("phases.2.train_seconds", 0.5, "phase 3: images_per_second is"),
    ("phases.2.train_seconds", -1.0, "phase 3: train_seconds is -1.0"),
    ("phases.0.task", "depth", "phases are of depth, depth, normal; the sequence has semantic"),
    ("cost.carried_bytes", -1, "cost.carried_bytes is -1"),
    ("cost.parameters_added", 10 ** 9, "cost.parameters_added is greater"),
    ("cost", None, "cost is null"),
    ("environment.precision", "bf16", "config.recipe.precision is 'fp32'"),
    ("protocol", 7, "protocol 7"),
    ("status", "failed", "the run failed"),
    ("matrix.depth.abs.2", 0.1, "matrix['depth']['abs'] after phase 3 is 0.1, its statistics give"),
    ("matrix.depth.abs.0", 0.1, "matrix['depth']['abs'] after phase 1 is 0.1, no evaluation"),
    ("matrix.depth.abs.1", None, "matrix['depth']['abs'] after phase 2 is None, its statistics"),
    ("tasks.1.metrics.0.higher_is_better", True, "tasks['depth'].metrics are not those"),
    ("tasks.1.kind", "binary", "binary"),
    ("tasks.1.kind", "sorcery", "task 'depth': unknown task kind 'sorcery'"),
    ("run_id", "../../lwf", "run_id"),
    ("run_id", "lwf-rooms_s1-seed0-0000000000", "one of them was changed"),
]


@pytest.mark.parametrize(("dotted", "value", "message"), EDITS,
                         ids=[f"{dotted}={value}" for dotted, value, _ in EDITS])
def test_an_edit_is_refused(copied, dotted, value, message):
    folder = copied()
    edit(folder, put(dotted, value))
    found = first_problem(folder)
    assert found is not None
    assert message in found
    assert "\n" not in found


@pytest.mark.parametrize(("images", "message"), [
    (2, "phase 1: steps is 300; 12 epochs of 0 images"), (0, "greater than or equal to 1"),
    (10 ** 7, "phase 1: steps is 300"), (10 ** 15, "")])
def test_absurd_counts_are_refused_at_once(copied, images, message):
    folder = copied()

    def change(content):
        put("dataset.train_images", images)(content)
        put("config.dataset.train", images)(content)

    edit(folder, change)
    assert message in first_problem(folder)


FREE = ("environment", "config.recipe.about", "eval_seconds", "peak_memory_bytes", "cost", "reason",
        "encoder_")
"""What nothing else in a record can confirm, and what changes no number of a table's metrics."""


def leaves(value, place=""):
    parts = (value.items() if isinstance(value, dict)
             else enumerate(value) if isinstance(value, list) else ())
    found = [leaf for key, part in parts for leaf in leaves(part, f"{place}.{key}".strip("."))]
    return found or [(place, value)]


def test_every_number_and_word_is_held_by_another(copied):
    folder = copied()
    file = folder / "record.json"
    whole = file.read_text()
    assert first_problem(folder) is None
    checked = [(place, value) for place, value in leaves(json.loads(whole))
               if not any(free in place for free in FREE)]
    assert len(checked) > 100
    for place, value in checked[::3]:
        other = (not value if isinstance(value, bool) else f"{value}x" if isinstance(value, str)
                 else 1 if value is None or isinstance(value, list) else value + 1)
        edit(folder, put(place, other))
        assert first_problem(folder) is not None, place
        file.write_text(whole)


def test_an_edited_order_of_tasks_is_not_the_sequence_s(copied):
    folder = copied()

    def swap(content):
        content["tasks"][1:] = content["tasks"][:0:-1]
        content["config"]["tasks"] = [task["name"] for task in content["tasks"]]

    edit(folder, swap)
    assert "rooms_s1 is semantic, depth, normal" in first_problem(folder)


def test_a_configuration_edited_everywhere_still_betrays_itself_by_the_run_id(copied):
    folder = copied()

    def change(content):
        put("config.method_config.weight", 9.0)(content)
        put("method.config.weight", 9.0)(content)

    edit(folder, change)
    assert "one of them was changed" in first_problem(folder)


def statistics(change):
    def edit_them(folder):
        content = load_statistics(folder)
        change(content)
        save_statistics(folder, content)

    return edit_them


def dropped_phase(content):
    del content[2, "semantic"]


def added_task(content):
    content[1, "depth"] = copy.deepcopy(content[2, "depth"])


def fewer_images(content):
    content[3, "depth"] = {name: array[:-1] for name, array in content[3, "depth"].items()}


def negative(content):
    content[3, "depth"]["abs"] = -content[3, "depth"]["abs"]


def other_type(content):
    content[3, "depth"]["pixels"] = content[3, "depth"]["pixels"].astype(np.float32)


def doubled(content):
    content[3, "depth"]["abs"] = 2 * content[3, "depth"]["abs"]


def incomplete(content):
    del content[3, "normal"]["histogram"]


@pytest.mark.parametrize(("change", "message"), [
    (dropped_phase, "lacks semantic after phase 2"), (added_task, "holds depth after phase 1"),
    (fewer_images, "[199] rows, dataset.eval_images is 200"), (negative, "no sum of errors"),
    (other_type, "float32"), (doubled, "its statistics give"), (incomplete, "histogram")])
def test_edited_statistics_are_refused(copied, change, message):
    folder = copied()
    statistics(change)(folder)
    assert message in first_problem(folder)


def test_a_bound_passed_off_as_a_lifelong_method_is_found_out(copied):
    folder = copied("joint")
    assert first_problem(folder) is None
    edit(folder, put("method.kind", "lifelong"))
    assert first_problem(folder) == "method.kind is lifelong, joint is bound"


def rename(old, new):
    def change(folder):
        file = folder / "record.json"
        file.write_text(file.read_text().replace(old, new, 1))

    return change


def link_out(name):
    def change(folder):
        elsewhere = folder.parent.parent / name
        (folder / name).rename(elsewhere)
        (folder / name).symlink_to(elsewhere)

    return change


def grow(folder):
    with open(folder / "record.json", "ab") as file:
        file.truncate(1 << 25)


def nest(folder):
    edit(folder, put("config.deep", 1))
    rename('"deep": 1', '"deep": ' + "[" * 900 + "]" * 900)(folder)


HOSTILE = [(rename('"seed": 0', '"seed": 0, "seed": 1'), "duplicate key 'seed'"),
           (rename('"train_seconds": ', '"train_seconds": NaN, "x": '), "NaN is not JSON"),
           (rename('"train_seconds": ', '"train_seconds": 1e999, "x": '), "phases.0"),
           (rename('"weight_decay": ', '"momentum": 1e999, "weight_decay": '), "momentum"),
           (link_out("record.json"), "record.json is a link out of its folder"),
           (link_out("statistics.npz"), "statistics.npz is a link out of its folder"),
           (grow, "larger than 16777216 bytes"), (nest, ""),
           (lambda folder: (folder / "statistics.npz").write_bytes(b"PK"), "not readable"),
           (lambda folder: (folder / "statistics.npz").unlink(), "does not exist"),
           (lambda folder: (folder / "record.json").write_text("[" * 100_000), "not a record")]


@pytest.mark.parametrize(("change", "message"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_files_are_refused_with_one_message(copied, capsys, change, message):
    folder = copied()
    change(folder)
    assert invoke(["validate", str(folder)]) == 2
    printed = capsys.readouterr()
    assert message in printed.out
    assert printed.err == "lhlbench: 1 of 1 records are not valid\n"


def test_an_infinite_number_is_refused_with_its_place(copied):
    folder = copied()
    edit(folder, put("config.dataset.seed", 77777))
    rename("77777", "1e999")(folder)
    assert first_problem(folder).endswith("config.dataset.seed is inf")


def test_folders_and_globs_of_records(copied, capsys, tmp_path):
    good, bad = copied("lwf"), copied("ewc")
    edit(bad, put("seed", 5))
    for words in ([str(tmp_path)], [str(tmp_path / "runs" / "*")],
                  [str(good), str(bad / "record.json"), str(tmp_path / "**")]):
        assert invoke(["validate", *words, "--json"]) == 2
        found = json.loads(capsys.readouterr().out)
        assert set(found) == {str(good), str(bad)}
        assert found[str(good)] is None
        assert "config.seed" in found[str(bad)]
    for words, message in ((["nowhere"], "nowhere does not exist"),
                           ([str(tmp_path / "runs" / "x*")], "does not exist")):
        assert invoke(["validate", *words]) == 2
        assert message in capsys.readouterr().err


def test_rendered_data_are_the_same_for_all(copied, capsys):
    others = [copied("lwf"), copied("ewc")]
    odd = copied("had")

    def change(content):
        content["dataset"]["fingerprint"] = "0123456789abcdef"
        content["run_id"] = run_id(content["config"], "0123456789abcdef", content["protocol"])

    edit(odd, change)
    assert first_problem(odd) is None
    assert invoke(["validate", str(odd.parent), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert "other records have 7376afb8004200e6" in found[str(odd)]
    assert [found[str(other)] for other in others] == [None, None]


def test_records_are_compared_with_the_data_that_are_here(tiny, capsys):
    outcome = tiny("finetune", settings=["recipe.epochs=1"])
    words = ["validate", str(outcome.folder), "--with-data"]
    assert invoke(words) == 0

    def change(content):
        content["dataset"]["fingerprint"] = "0123456789abcdef"
        content["run_id"] = run_id(content["config"], "0123456789abcdef", content["protocol"])

    edit(outcome.folder, change)
    assert invoke(words[:2]) == 0
    assert invoke(words) == 2
    assert "dataset.fingerprint is 0123456789abcdef, the data in" in capsys.readouterr().out


@given(images=st.integers(1, 60), batch=st.integers(1, 20), drop_last=st.booleans())
def test_batches_of_an_epoch(images, batch, drop_last):
    batches = [list(range(images))[start:start + batch] for start in range(0, images, batch)]
    if len(batches) > 1 and len(batches[-1]) < batch:
        rest = batches.pop()
        if not drop_last and len(rest) == 1:
            batches[-1] += rest
        elif not drop_last:
            batches.append(rest)
    assert batch_sizes(images, batch, drop_last) == list(map(len, batches))
