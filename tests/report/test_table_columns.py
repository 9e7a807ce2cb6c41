"""Columns: every score against its definition, which cells are marked, how text is escaped."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import RequestError, one_line
from benchmark.report.tables.build import sequence_tables
from benchmark.report.tables.render import render
from benchmark.report.tables.table import Cell, Column, Row, marked

TASKS = ("semantic", "edges", "depth")


@pytest.fixture
def made(maker):
    """Records by (method, seed): three methods and both bounds, two seeds."""
    return {(method, seed): maker.run(method, seed, tasks=TASKS).record
            for method in ("finetune", "lwf", "had", "joint", "separate") for seed in (0, 1)}


def cell(maker, key, method="had", **options):
    one, = sequence_tables(maker.collection(), columns=[key], **options)
    return next(row for row in one.rows if row.label == method).cells[key]


def over_metrics(record, value):
    """Mean over metrics, then tasks, of value(task, metric, learnt)."""
    return statistics.mean(
        statistics.mean(value(task.name, metric, learnt) for metric in task.metrics)
        for learnt, task in enumerate(record.tasks))


def sign(metric):
    return 1 if metric.higher_is_better else -1


def expect(maker, key, value, **options):
    found = cell(maker, key, **options)
    assert found.mean == pytest.approx(statistics.mean(value(seed) for seed in (0, 1)))
    assert found.std == pytest.approx(statistics.stdev(value(seed) for seed in (0, 1)))


def test_gains_over_every_baseline(maker, made):
    def gain(baseline):
        def value(seed):
            own, other = made["had", seed], made[baseline, seed]

            def relative(task, metric, _):
                base = other.matrix[task][metric.name][-1]
                return 100 * sign(metric) * (own.matrix[task][metric.name][-1] - base) / base
            return over_metrics(own, relative)
        return value
    for name in ("finetune", "separate", "joint"):
        expect(maker, f"delta_{name}", gain(name))
        expect(maker, "delta", gain(name), baseline=name)


def test_learning_transfer_is_of_values_just_learnt(maker, made):
    def value(seed):
        own, alone = made["had", seed], made["separate", seed]

        def relative(task, metric, learnt):
            base = alone.matrix[task][metric.name][-1]
            return 100 * sign(metric) * (own.matrix[task][metric.name][learnt] - base) / base
        return over_metrics(own, relative)
    expect(maker, "transfer", value)


def test_the_gap_is_between_finetune_and_joint(maker, made):
    def value(seed):
        own, low, high = (made[name, seed] for name in ("had", "finetune", "joint"))

        def share(task, metric, _):
            at = [each.matrix[task][metric.name][-1] for each in (own, low, high)]
            return (at[0] - at[1]) / (at[2] - at[1])
        return over_metrics(own, share)
    expect(maker, "gap", value)
    assert cell(maker, "gap", "finetune").mean == 0
    assert cell(maker, "gap", "joint").mean == 1


def test_absolute_scores_are_in_the_unit_that_tasks_share(maker, made):
    def lost(best):
        def value(seed):
            rows = [made["had", seed].matrix["semantic"]["miou"],
                    made["had", seed].matrix["edges"]["f_max"][1:]]
            return statistics.mean(best(row[:-1]) - row[-1] for row in rows)
        return value
    expect(maker, "forgetting_abs", lost(max))
    expect(maker, "bwt_abs", lambda seed: -lost(lambda row: row[0])(seed))
    one, = sequence_tables(maker.collection(), columns=["forgetting_abs"])
    assert "absolute forgetting (%) ↓" in render([one], "md")


def test_absolute_scores_of_different_units_have_a_reason(maker):
    for method in ("finetune", "had"):
        maker.run(method)
    one, = sequence_tables(maker.collection(), columns=["forgetting_abs"])
    assert one.notes == ("absolute forgetting: tasks in % and m have no common mean",)


def test_intransigence_is_of_the_task_whose_joint_model_is_known(maker, made):
    def value(seed):
        return (made["had", seed].matrix["depth"]["abs"][-1]
                - made["joint", seed].matrix["depth"]["abs"][-1])
    expect(maker, "intransigence", value)
    one, = sequence_tables(maker.collection(), columns=["intransigence"])
    assert one.columns[0].unit == "m"
    assert "of earlier tasks it is unknown" in one.caption


def test_a_baseline_that_a_column_needs_is_a_hole(maker):
    for method in ("finetune", "had"):
        maker.run(method)
    one, = sequence_tables(maker.collection(), columns=["metrics", "gap"])
    assert [hole.command for hole in one.holes] == [
        "lhlbench run --method joint --sequence rooms_s1 --seed 0"]
    assert not any(each.best for row in one.rows for each in row.cells.values())
    assert any("no finetune and joint run" in note for note in one.notes)
    without, = sequence_tables(maker.collection(), columns=["metrics", "forgetting"])
    assert not without.holes
    assert "No column has a baseline" in without.caption


def test_a_gap_of_the_wrong_sign_has_a_note_and_is_not_ranked(maker):
    def run(method, miou):
        maker.run(method, tasks=("semantic",), matrix={"semantic": {
            "miou": [miou], "pixel_accuracy": [50.0 + miou]}})
    for method, miou in (("finetune", 30), ("had", 25), ("lwf", 40), ("joint", 20)):
        run(method, miou)
    one, = sequence_tables(maker.collection(), columns=["gap"])
    assert "joint is worse than finetune on semantic miou, semantic pixel_accuracy" in one.notes[0]
    assert not any(row.cells["gap"].best or row.cells["gap"].second for row in one.rows)


def test_columns_are_picked_by_name(maker):
    maker.run("finetune")
    maker.run("finetune", sequence="other_s1", tasks=TASKS)
    tables = sequence_tables(maker.collection(),
                             columns=["edges/f_max", "metrics", "delta", "delta"])
    assert [[column.key for column in one.columns] for one in tables] == [
        ["edges/f_max", "semantic/miou", "depth/abs", "delta"],
        ["semantic/miou", "depth/abs", "normals/mean", "delta"]]
    with pytest.raises(RequestError, match="Did you mean transfer"):
        sequence_tables(maker.collection(), columns=["tranfer"])
    with pytest.raises(RequestError, match="Did you mean depth/abs"):
        sequence_tables(maker.collection(), columns=["depth/abz"])


@pytest.mark.parametrize("convention", ["pixel", "batch:16"])
@pytest.mark.parametrize("columns", [["delta", "gap"], ["bwt"], ["carried"]])
def test_captions_always_say_how_the_numbers_came_about(maker, columns, convention):
    for seed in (0, 4):
        maker.run("finetune", seed)
    one, = sequence_tables(maker.collection(), columns=columns, convention=convention)
    assert f"{convention[:5]} convention" in one.caption
    for words in ("after the last epoch of the last phase", "2 seeds (0, 4)", "of 1 order"):
        assert words in one.caption
    assert "over finetune" in one.caption or "No column has a baseline" in one.caption


# Marks

VALUES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=7)


def marks(values, higher, bounds=0):
    rows = [Row(str(index), "", {}, index < bounds, (), (), {"x": Cell(value, n=1, of=1)})
            for index, value in enumerate(values)]
    return [(row.cells["x"].best, row.cells["x"].second)
            for row in marked(rows, [Column("x", "x", "", higher)])]


@given(VALUES, st.booleans())
def test_best_and_second_are_what_sorting_says(values, higher):
    found = marks(values, higher)
    for value, (best, second) in zip(values, found, strict=True):
        better = sum(other > value if higher else other < value for other in values)
        assert best == (better == 0 and len(values) > 1)
        assert second == (better == 1 and len(values) > 2)


@given(VALUES, st.booleans(), st.randoms())
def test_marks_depend_on_neither_sign_nor_order(values, higher, random):
    found = marks(values, higher)
    assert found == marks([-value for value in values], not higher)
    order = random.sample(range(len(values)), len(values))
    assert [found[index] for index in order] == marks([values[index] for index in order], higher)


def test_bounds_and_columns_without_a_direction_are_not_marked():
    assert marks([9, 1, 2, 3], True, bounds=1) == [
        (False, False), (False, False), (False, True), (True, False)]
    assert marks([1, 2, 3], None) == [(False, False)] * 3


# Formats

def test_the_second_best_is_underlined_where_a_format_can(maker, made):
    tables = sequence_tables(maker.collection(), columns=["delta"])
    second = next(row.cells["delta"] for row in tables[0].rows if row.cells["delta"].second)
    text = f"{second.mean:.2f} ± {second.std:.2f}"
    assert f"<u>{text}</u>" in render(tables, "html")
    assert r"\underline{" + text.replace("±", r"$\pm$") in render(tables, "latex")
    assert f"| {text} |" in render(tables, "md")
    assert '"second": true' in render(tables, "json")


@given(st.text())
def test_text_of_records_keeps_to_its_line(text):
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert shown.isprintable()
    assert one_line(shown) == shown


def test_what_a_record_says_ends_no_comment_and_no_row(maker):
    evil = "had\n\\input{/etc/passwd}\x1b[2J"
    for seed in (0, 1):
        maker.run("finetune", seed)
    maker.run("[0pt]", 1)
    maker.run("had", 1, command="lhlbench run --method 'x/\n\\end{document}.py'",
              method_config={"mode": evil}, failed="one\ntwo")
    for format in ("latex", "md", "html"):
        text = render(sequence_tables(maker.collection()), format)
        assert "\x1b" not in text
        assert not any(line.lstrip().startswith(("\\input", "\\end{document}"))
                       for line in text.splitlines())
    rows = render(sequence_tables(maker.collection()), "latex").splitlines()
    assert any(line.startswith("{}[0pt]") for line in rows)
