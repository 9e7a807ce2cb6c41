"""Grids: runs that may be compared, of a family over orders and seeds, or of one sequence."""

from __future__ import annotations

import pytest

from benchmark.errors import RequestError
from benchmark.report.runs.grid import grids_of, sequence_grids
from benchmark.report.runs.scoring import GridScores
from benchmark.scores import Matrix, delta

ORDERS = {"rooms_s1": ("semantic", "depth", "normals"),
          "rooms_s2": ("semantic", "normals", "depth"),
          "rooms_s10": ("normals", "depth", "semantic")}


@pytest.fixture
def filled(maker):
    for method in ("finetune", "had", "joint"):
        for sequence, tasks in ORDERS.items():
            for seed in (0, 1):
                if (method, sequence, seed) != ("had", "rooms_s2", 1):
                    maker.run(method, seed, sequence, tasks)
    maker.run("had", 0, "rooms_s1", ORDERS["rooms_s1"], lr=0.5)
    maker.run("had", 0, "other_s1", ORDERS["rooms_s1"])
    return maker.collection()


def test_orders_and_seeds_of_a_family_stand_together(filled):
    other, rooms, faster = grids_of(filled)
    assert [grid.title for grid in (other, rooms, faster)] == [
        "other", "rooms", "rooms (recipe.lr=0.5)"]
    assert rooms.sequences == ["rooms_s1", "rooms_s2", "rooms_s10"]
    assert rooms.seeds == [0, 1]
    assert [method.label for method in rooms.methods] == ["finetune", "had", "joint"]
    assert rooms.missing(rooms.method("had")) == [("rooms_s2", 1)]
    assert rooms.command("had", ("rooms_s2", 1), rooms.method("had")) == \
        "lhlbench run --method had --sequence rooms_s2 --seed 1"


def test_of_single_sequences_each_order_is_a_grid(filled):
    titles = [grid.title for grid in sequence_grids(filled, ["rooms_*"])]
    assert titles == ["rooms_s1", "rooms_s1 (recipe.lr=0.5)", "rooms_s2", "rooms_s10"]


def test_deltas_are_paired_by_order_and_seed(filled):
    rooms = grids_of(filled, ["rooms_*"])[0]
    found = GridScores(rooms).of(rooms.method("had"), "delta")
    assert list(found) == [key for key in rooms.keys if key != ("rooms_s2", 1)]
    runs = {(each.record.method.name, each.record.sequence, each.record.seed): each.record
            for each in filled.complete if "lr0.5" not in each.record.run_id}
    for (sequence, seed), score in found.items():
        assert score == delta(Matrix.of(runs["had", sequence, seed]),
                              Matrix.of(runs["finetune", sequence, seed]))


def test_unknown_names_and_missing_baselines_are_errors(filled):
    rooms = grids_of(filled, ["rooms_*"])[0]
    with pytest.raises(RequestError, match="Did you mean had"):
        rooms.method("hat")
    with pytest.raises(RequestError, match="lhlbench run --method separate"):
        rooms.baseline("separate")
    with pytest.raises(RequestError, match="unknown baseline"):
        rooms.baseline("naive")
