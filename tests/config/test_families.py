"""The shipped families of real data sets, and the recipes of the paper and its code."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from benchmark.cli.app import invoke
from benchmark.config.family import find_recipe, find_sequence, shipped_sequences
from benchmark.data.loading.blocks import blocks
from benchmark.data.loading.phase_data import PhaseData
from benchmark.data.sources.source import find_source, source_config
from benchmark.data.store.writer import build
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.tasks import Task


def family(name):
    return [each for each in shipped_sequences() if each.family.family == name]


@pytest.mark.parametrize(("name", "orders", "tasks"), [
    ("nyuv2", 6, 3), ("cityscapes", 2, 2), ("cityscapes19", 2, 2), ("taskonomy10", 10, 10),
    ("pascal5", 120, 5)])
def test_families_of_real_data(name, orders, tasks):
    found = family(name)
    assert [each.name for each in found] == [f"{name}_s{k}" for k in range(1, orders + 1)]
    assert len({each.tasks for each in found}) == orders
    first = found[0]
    assert len(first.tasks) == tasks
    config = source_config(first.family.dataset, name)
    assert set(first.tasks) <= set(find_source(config.name).task_names(config))
    for each in found[:3]:
        assert find_recipe(each).backbone == "resnet18"
        assert make_plan(RunRequest("had", each.name)).config.tasks == each.tasks


def test_the_papers_orders():
    assert find_sequence("nyuv2_s1").tasks == ("semantic", "depth", "normal")
    assert find_sequence("cityscapes_s1").tasks == ("semantic", "depth")
    assert find_sequence("cityscapes_s2").tasks == ("depth", "semantic")
    assert find_sequence("cityscapes19_s2").tasks == ("depth", "semantic19")


def test_pascal_has_120_orders_of_which_ten_are_named(capsys):
    found = family("pascal5")
    assert [each.tasks for each in found] == list(itertools.permutations(found[0].tasks))
    named = [each.name for each in found if each.listed]
    assert len(named) == 10
    assert named[0] == "pascal5_s1"
    assert find_sequence("pascal5_s120").tasks == found[0].tasks[::-1]
    assert invoke(["ls", "sequences", "--json"]) == 0
    listed = capsys.readouterr().out
    assert listed.count('"sequence": "pascal5_s') == 10
    assert all(f'"{name}"' in listed for name in named)


def test_another_recipe_by_name(capsys):
    plan = make_plan(RunRequest("had", "nyuv2_s1", recipe="paper_resnet50"))
    assert plan.config.recipe.backbone == "resnet50"
    assert invoke(["run", "--method", "had", "--sequence", "nyuv2_s1", "--recipe", "released",
                   "--dry-run"]) == 0
    assert "shuffle: false" in capsys.readouterr().out
    assert invoke(["run", "--method", "had", "--sequence", "nyuv2_s1", "--recipe", "relased",
                   "--dry-run"]) == 2
    assert "unknown recipe 'relased'. Did you mean released?" in capsys.readouterr().err


@pytest.fixture(scope="module")
def nyuv2_sized(tmp_path_factory):
    """795 training images whose pixels are their number."""
    task = Task(name="depth", kind="regression", channels=1)

    def fill(writer):
        for split, count in (("train", 795), ("eval", 1)):
            numbers = np.arange(count)[:, None, None, None]
            writer.array(split, "image", (count, 3, 2, 2), "uint8")[:] = numbers % 256
            writer.array(split, "depth", (count, 1, 2, 2), "float32")[:] = numbers
    return build(tmp_path_factory.mktemp("sized") / "store", [task], "toy", 1, {}, fill)


def test_the_released_training_sees_what_the_code_sees(nyuv2_sized):
    """Contiguous blocks of 265; 4 steps of 64 in file order, 80 in 20 epochs; 9 images never; no
    scaling of the input (HAD, released code)."""
    recipe = find_recipe(find_sequence("nyuv2_s1"), "released")
    for number, block in enumerate(blocks(("a", "depth", "b"), 795, "disjoint", "lifelong")):
        assert list(block.images) == list(range(265 * number, 265 * (number + 1)))
    block = blocks(("a", "depth", "b"), 795, "disjoint", "lifelong")[1]
    data = PhaseData(nyuv2_sized, block, nyuv2_sized.tasks, recipe, 4, torch.device("cpu"))
    assert (data.steps_per_epoch, data.steps_per_epoch * recipe.epochs) == (4, 80)
    for epoch in (1, 20):
        seen = [batch.targets["depth"][:, 0, 0, 0].long().tolist() for batch in data.epoch(epoch)]
        assert seen == [list(range(265 + 64 * k, 329 + 64 * k)) for k in range(4)]
    assert (recipe.normalise, recipe.augments, recipe.schedule) == ("none", False, "constant")
    assert (recipe.optimizer, recipe.lr, recipe.weight_decay) == ("adam", 1e-4, 1e-5)


def test_the_papers_recipes_differ_from_the_code_only_where_they_say():
    sequence = find_sequence("nyuv2_s1")
    paper, larger, released = (find_recipe(sequence, name).model_dump(exclude={"about"})
                               for name in ("paper_resnet18", "paper_resnet50", "released"))
    assert {key for key in paper if paper[key] != larger[key]} == {"backbone"}
    assert {key for key in paper if paper[key] != released[key]} == {"normalise", "shuffle",
                                                                    "align_corners"}
