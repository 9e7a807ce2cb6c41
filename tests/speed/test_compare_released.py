"""`bench/compare_released.py` as far as it goes without the released code, and pairs of timings."""

from __future__ import annotations

import pytest

from bench import compare_released
from bench.compare_released import loss_rows, metric_rows, ratio_row
from bench.released.authors import FILES
from benchmark.speed.pairs import Pairs, measure_pairs


@pytest.fixture
def checkout(tmp_path):
    """A folder with the names, and nothing else, of the released code."""
    for file in FILES:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


@pytest.mark.parametrize(("words", "named"), [
    (["--size", "96"], "--size 96"), (["--size", "96x8"], "--size 96x8"),
    (["--batch", "1"], "--batch 1"), (["--pairs", "-1"], "--pairs -1"),
    (["--runs", "-1"], "--runs -1"), (["--steps-per-epoch", "0"], "--steps-per-epoch 0")])
def test_wrong_requests_are_told_in_one_line(checkout, capsys, words, named):
    assert compare_released.main(["--released", str(checkout), *words]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(f"error: {named}: ") and err.count("\n") == 1


def test_a_folder_without_the_released_code_is_refused(checkout, capsys):
    (checkout / "methods" / "had.py").unlink()
    assert compare_released.main(["--released", str(checkout)]) == 2
    assert "there is no methods/had.py" in capsys.readouterr().err


def test_pairs_are_taken_in_turns_each_way_first_in_every_other_one():
    taken = []

    def way(name, seconds):
        def work():
            taken.append(name)
            return seconds.pop(0)
        return work

    pairs = measure_pairs(way("a", [9.0, 2.0, 3.0, 8.0]), way("b", [9.0, 1.0, 2.0, 2.0]), 3,
                          warm_up=1)
    assert "".join(taken) == "baabbaab"
    assert pairs == Pairs((2.0, 3.0, 8.0), (1.0, 2.0, 2.0))
    assert pairs.ratios == (2.0, 1.5, 4.0)
    assert (pairs.ratio, pairs.quartiles) == (2.0, (1.75, 3.0))


def test_rows_of_ratios():
    pairs = Pairs((0.5, 0.6, 0.7), (0.2, 0.2, 0.2))
    assert ratio_row("step", pairs, "ms") == ["step", "600 ms", "200 ms", "3.00", "2.75 to 3.25",
                                              "3"]
    assert ratio_row("run", Pairs((6.0,), (4.0,)), "s") == ["run", "6.0 s", "4.0 s", "1.50",
                                                           "1.50 to 1.50", "1"]


def test_rows_of_losses_and_metrics():
    theirs = [[{"a/new": 1.0}, {"a/new": 2.0}], [{"b/new": 4.0, "a/old": 1.0}]]
    ours = [[{"a/new": 1.0}, {"a/new": 2.5}], [{"b/new": 4.0, "a/old": 0.5}]]
    assert loss_rows(theirs, ours) == [
        ["1 a/new", "1.000000", "1.000000", "0.0e+00", "2.5e-01"],
        ["2 b/new", "4.000000", "4.000000", "0.0e+00", "0.0e+00"],
        ["2 a/old", "1.000000", "0.500000", "5.0e-01", "5.0e-01"]]
    with pytest.raises(ValueError, match="phase 2"):
        loss_rows(theirs, [ours[0], [{"b/new": 4.0, "a/old": 0.5, "c/old": 0.0}]])
    assert metric_rows({"depth abs": 0.25}, {"depth abs": 0.26, "depth rmse": 1.0}) == [
        ["depth abs", "0.2500", "0.2600"]]
