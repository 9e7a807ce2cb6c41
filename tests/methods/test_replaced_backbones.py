"""Backbones that are replaced by others: their tasks still predict through the old network."""

from __future__ import annotations

import contextlib

import pytest

from benchmark.data.sources.source import DataPaths
from benchmark.engine import checkpoint
from benchmark.engine.execute import open_store
from benchmark.engine.options import Stopped
from benchmark.model.network import Network
from tests.helpers.outcomes import assert_constant_rows, boundary_state
from tests.helpers.tiny import tiny_plan

METHODS = ("lora", "modulators", "bn_per_task", "averaging", "emr", "separate")
SMALL = ("recipe.head_channels=8", "recipe.epochs=1", "dataset.height=32", "dataset.train=12")
FOUR = """\
family: four
about: A CNN for two tasks, a transformer for two more.
dataset: {name: rooms}
tasks: [semantic, depth, normal, edge]
recipe: rooms
backbones: [narrow, narrow, pvt_v2_b0, pvt_v2_b0]
"""


def single_networks(names, backbones, cache):
    """Parameters of one network with one head for each task."""
    found = []
    for name, backbone in zip(names, backbones, strict=True):
        plan = tiny_plan("finetune", settings=[*SMALL, f"recipe.backbone={backbone}"])
        network = Network(plan.config.recipe, seed=0)
        network.add_head(open_store(plan, DataPaths(cache)).tasks[name])
        found.append(sum(value.numel() for value in network.parameters()))
    return found


@pytest.mark.parametrize("name", METHODS)
def test_tasks_predict_through_the_network_they_were_trained_on(name, tiny, cache):
    """With a backbone per task rows are constant, and every network counts, with one head."""
    record = tiny(name, "rooms_hetero_s1", settings=SMALL).record
    assert_constant_rows(record)
    sizes = single_networks(("semantic", "depth", "normal"), ("narrow", "pvt_v2_b0", "narrow"),
                            cache)
    assert name == "emr" or record.cost.parameters == sum(sizes)


@pytest.mark.parametrize("name", ["lora", "modulators", "averaging", "emr", "separate"])
def test_two_tasks_on_each_of_two_backbones_resumed(name, tiny, tmp_path):
    """Transformers are adapted; resumed at every boundary, nothing of an old network is lost."""
    family = tmp_path / "four.yaml"
    family.write_text(FOUR)
    whole = tiny(name, f"{family}:s1", settings=SMALL, runs=tmp_path / "whole")
    for phase in (1, 2, 3):
        with contextlib.suppress(Stopped):
            tiny(name, f"{family}:s1", settings=SMALL, runs=tmp_path / "parts",
                 stop_when=lambda p, e, end=phase: (p, e) == (end, 0))
    resumed = tiny(name, f"{family}:s1", settings=SMALL, runs=tmp_path / "parts")
    assert resumed.record.matrix == whole.record.matrix
    states = [boundary_state(tmp_path / place) for place in ("whole", "parts")]
    assert checkpoint.tensor_bytes(states[0]) == checkpoint.tensor_bytes(states[1])
    assert resumed.record.cost.parameters == whole.record.cost.parameters
    if name in ("lora", "modulators", "separate"):
        assert_constant_rows(whole.record)
    else:
        rows = list(whole.record.matrix.values())
        assert all(values[1] == values[2] == values[3] for values in rows[0].values())


def test_nothing_is_kept_twice_when_a_backbone_is_replaced(tiny, tmp_path):
    """A separate model's backbone is part of the network that is kept."""
    outcome = tiny("separate", "rooms_hetero_s1", settings=SMALL)
    retired = boundary_state(outcome.folder)["method"]["left"]
    assert [shared["own"] for shared in retired] == [{"semantic": {}}, {"depth": {}}]
    heads = {name.split(".")[1] for shared in retired for name in shared["past"]["weights"]
             if name.startswith("heads")}
    assert heads == {"semantic", "depth"}
    assert all(sum(name.endswith("4.weight") and name.startswith("heads")
                   for name in shared["past"]["weights"]) == 1 for shared in retired)
