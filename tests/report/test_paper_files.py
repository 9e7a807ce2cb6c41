"""The files of papers: published numbers as CSV, and as YAML what they are measured by here."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config.shipped import shipped
from benchmark.errors import RequestError
from benchmark.report.papers import mapping, published
from benchmark.report.papers.build import paper_tables
from benchmark.report.papers.mapping import load_mapping
from benchmark.report.papers.published import COLUMNS, paper_names, published_cells, read_cells
from benchmark.report.papers.text import render_paper
from benchmark.report.runs.collection import RunCollection
from tests.helpers.papers import NO_RUNS, cells_of, run_as_planned

KNOWN = {  # paper, data set, backbone, variant, method, task and metric, as the sources print them
    "had nyuv2 resnet18 - HAD all delta": "32.74", "had nyuv2 resnet18 - LwF all delta": "24.74",
    "had nyuv2 resnet18 - joint all delta": "40.83", "had nyuv2 resnet50 - HAD all delta": "35.71",
    "had nyuv2 resnet50 - LwF all delta": "32.94", "had nyuv2 resnet50 - joint all delta": "44.36",
    "had taskonomy resnet18 - HAD all delta": "10.90",
    "had taskonomy resnet18 - HAD all rank": "3.50",
    "had taskonomy resnet18 - iCaRL all delta": "8.47",
    "had taskonomy resnet18 - joint all delta": "44.57",
    "had nyuv2 - - HAD semantic miou": "38.7", "had nyuv2 - - HAD normal mean": "32.55",
    "had nyuv2 - sequence 2 HAD depth abs": "0.7024", "had cityscapes - - HAD depth abs": "0.0186",
    "had cityscapes - another setting HAD depth abs": "0.0165",
    "had cityscapes - - HAD semantic miou": "76.52",
    "had cityscapes7 - - HAD semantic miou": "69.12", "had cityscapes - - HAD all delta": "5.89",
    "had taskonomy - - HAD depth abs": "0.211",
    "had taskonomy resnet18 - HAD all parameters_saved": "172.23",
    "had nyuv2 - - HAD semantic delta": "1.38", "had nyuv2 - - HAD depth delta": "5.2",
    "had nyuv2 - - HAD normal delta": "9.87", "had - - - HAD without SG all delta": "-1.27",
    "had - - - HAD without DB all delta": "-2.84",
    "had - - - HAD, arithmetic mean all delta": "-6.29", "had - - - HAD, 5 bins all delta": "-3.64",
    "had - - - HAD, 10 bins all delta": "-5.43", "had - - - HAD, 15 bins all delta": "-9.72",
    "heteroakd cityscapes DeepLabV3-MobileNetV2 teacher DeepLabV3-MiT-B4 student semantic miou":
        "73.92",
    "heteroakd cityscapes DeepLabV3-MobileNetV2 teacher DeepLabV3-MiT-B4 CWD semantic miou":
        "71.59",
    "heteroakd cityscapes DeepLabV3-MobileNetV2 teacher DeepLabV3-MiT-B4 HeteroAKD semantic miou":
        "74.91",
    "heteroakd - - largest of all pairs HeteroAKD semantic miou_gain": "3.37",
    "heteroakd - - homogeneous pairs, mean HeteroAKD semantic miou_gain": "1.61",
}


def name(cell):
    return " ".join([cell.paper, cell.dataset or "-", cell.backbone or "-", cell.variant or "-",
                     cell.method, cell.task, cell.metric])


# Published numbers

def test_every_number_known_is_in_the_files_and_nothing_else():
    cells = [cell for paper in paper_names() for cell in published_cells(paper)]
    known = {name(cell): cell.value for cell in cells
             if cell.value and (cell.method, cell.metric) != ("naive", "delta")}
    assert known == KNOWN
    assert all(cell.value == "0" for cell in cells
               if cell.value and name(cell) not in KNOWN)
    assert sum(cell.status == "unknown" for cell in cells) > len(KNOWN)


def test_the_page_on_papers_counts_what_the_files_hold():
    page = (Path(__file__).parents[2] / "docs/papers.md").read_text()
    for paper in paper_names():
        for table in paper_tables(published_cells(paper), NO_RUNS):
            cells = [pair.paper for pair in cells_of(table).values() if pair.paper]
            known = sum(cell.number is not None for cell in cells)
            assert f"\n{known:3} of {len(cells):3}  {table.title}\n" in page


@pytest.mark.parametrize("embedded", [False, True])
def test_every_table_and_method_of_the_files_is_mapped(embedded):
    for paper in paper_names():
        cells, mapped = published_cells(paper), load_mapping(paper, embedded)
        assert set(mapped.tables) == {cell.key for cell in cells}
        names = {cell.method for cell in cells} | {cell.baseline for cell in cells} - {""}
        assert names <= set(mapped.methods)


def test_the_saved_parameters_follow_from_the_networks():
    """Ten separate ResNet-18 against one with ten heads of 257 parameters per output channel.

    The two decimals leave 15 to 27 channels for the ten tasks together.
    """
    stated = next(cell for cell in published_cells("had") if cell.metric == "parameters_saved")
    assert stated.status == "derived"
    trunk, head = 11_176_512, 4_722_176

    def saved(channels):
        shared = trunk + 10 * head + 257 * channels
        separate = 10 * trunk + 10 * head + 257 * channels
        return f"{100 * (separate - shared) / shared:.2f}"

    assert [n for n in range(10, 200) if saved(n) == stated.value] == list(range(15, 28))


GOOD = ["had", "ablation", "", "", "", "HAD", "all", "delta", "%", "1.5", "true", "naive", "Tab. 1",
        "published"]


def written(path, *lines):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *lines])
    return path


def changed(**values):
    return [values.get(column, value) for column, value in zip(COLUMNS, GOOD, strict=True)]


@pytest.mark.parametrize("line, message", [
    (changed(value="1,5"), "line 2, column value"),
    (changed(value="nan"), "line 2, column value"),
    (changed(value="1e3"), "line 2, column value"),
    (changed(value=""), "line 2, column value: must be empty exactly when"),
    (changed(status="unknown"), "line 2, column value: must be empty exactly when"),
    (changed(status="guessed"), "line 2, column status"),
    (changed(higher_is_better="yes"), "line 2, column higher_is_better: must be true or false"),
    (changed(method=""), "line 2, column method"),
    (changed(method=" HAD"), "line 2, column method: must not begin or end with a blank"),
    (changed(source=""), "line 2, column source"),
    (changed(metric="Delta T"), "line 2, column metric"),
    (changed(paper="had2"), "line 2, column paper: must be had"),
    (GOOD[:-1], "line 2: 13 columns instead of 14"),
])
def test_a_wrong_line_is_refused_with_its_place(tmp_path, line, message):
    assert len(read_cells(written(tmp_path / "had.csv", GOOD))) == 1
    with pytest.raises(RequestError, match=message):
        read_cells(written(tmp_path / "had.csv", line))


def test_a_table_with_a_forgotten_or_a_double_line_is_refused(tmp_path):
    path = tmp_path / "had.csv"
    with pytest.raises(RequestError, match="line 3: the cell of line 2 again"):
        read_cells(written(path, GOOD, changed(value="2.5")))
    rank = changed(metric="rank", unit="", baseline="")
    with pytest.raises(RequestError, match="line 3, column method: LwF has no line for all rank"):
        read_cells(written(path, GOOD, rank, changed(method="LwF")))
    assert len(read_cells(written(path, GOOD, rank, changed(method="LwF", table="other")))) == 3
    with pytest.raises(RequestError, match="line 1: the columns must be paper,table"):
        path.write_text("paper\n")
        read_cells(path)
    with pytest.raises(RequestError, match="cannot be read"):
        read_cells(tmp_path / "nothing.csv")


@given(st.data())
def test_a_damaged_file_is_refused_or_still_strict(tmp_path_factory, data):
    """Whatever is put into a file, it is read as valid cells or ends in one message."""
    text = (shipped("results/paper") / "heteroakd.csv").read_bytes()
    at = data.draw(st.integers(0, len(text)))
    path = tmp_path_factory.getbasetemp() / "heteroakd.csv"
    path.write_bytes(text[:at] + data.draw(st.binary(max_size=6)) + text[at:])
    try:
        cells = read_cells(path)
    except RequestError as error:
        assert str(path) in str(error)
    else:
        assert all((cell.number is None) == (cell.status == "unknown") for cell in cells)


# A new paper

NUMBERS = [
    ["paws", "main", "rooms", "", "", "Paws", "semantic", "miou", "%", "61.5", "true", "",
     "Tab. 2", "published"],
    ["paws", "main", "rooms", "", "", "naive", "semantic", "miou", "%", "", "true", "",
     "Tab. 2", "unknown"]]
MAPPING = """\
citation: Somebody, Paws, 2031
methods:
  Paws: {method: had, settings: [weight=2]}
  naive: finetune
tables:
- table: main
  dataset: rooms
  measured:
    sequence: rooms_s1
    recipe: rooms
    assumed: that the rooms are those of the paper
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of papers in place of the shipped one, with the files of one paper."""
    for module in (mapping, published):
        monkeypatch.setattr(module, "shipped", lambda name: tmp_path)
    written(tmp_path / "paws.csv", *NUMBERS)
    (tmp_path / "paws.yaml").write_text(MAPPING)
    written(tmp_path / "without_a_mapping.csv")
    return tmp_path


def test_a_new_paper_is_a_csv_and_a_yaml_file(folder, maker):
    assert paper_names() == ["paws"]
    with pytest.raises(RequestError, match="Did you mean paws"):
        published_cells("pawz")
    own = run_as_planned(maker, "had", "rooms_s1", 3, "rooms", method_settings=["weight=2"])
    usual = run_as_planned(maker, "had", "rooms_s1", 4, "rooms")
    table, = paper_tables(published_cells("paws"), RunCollection((own, usual)))
    assert (table.title, table.place) == ("paws, main: rooms", "rooms_s1, recipe rooms")
    cells = cells_of(table)
    measured = own.record.matrix["semantic"]["miou"][-1]
    pair = cells["Paws", "semantic miou"]
    assert (pair.here.mean, pair.here.n) == (measured, 1)
    assert pair.difference == measured - 61.5
    assert cells["naive", "semantic miou"].commands == (
        "lhlbench run --method finetune --sequence rooms_s1 --seed 3 --recipe rooms",)
    text = render_paper([table], "md")
    assert "Somebody, Paws, 2031" in text and "| 61.5 |" in text and "| unknown |" in text


def test_a_table_may_be_measured_on_embedded_data_or_not_at_all(folder):
    (folder / "paws.yaml").write_text(MAPPING.replace(
        "  measured:\n", "  measured: nobody has the rooms\n  embedded:\n"))
    table, = paper_tables(published_cells("paws"), NO_RUNS)
    assert {pair.here.reason for pair in cells_of(table).values()} == {"nobody has the rooms"}
    table, = paper_tables(published_cells("paws"), NO_RUNS, embedded=True)
    assert all(pair.commands for pair in cells_of(table).values())


@pytest.mark.parametrize("old, new, message", [
    ("citation:", "citatoin:", "line 1: unknown key 'citatoin'. Did you mean citation"),
    ("citation: Somebody, Paws, 2031\n", "", "citation: Field required"),
    ("naive: finetune", "naive: [finetune]", "line 4: methods.naive"),
    ("naive: finetune", "Paws: finetune", "line 4: key 'Paws' stands twice"),
    ("table: main", "tabel: main", "line 6: unknown key 'tables.0.tabel'"),
    ("recipe: rooms", "recipe: [rooms]", "line 10: tables.0.measured.recipe: Input should be"),
    ("recipe: rooms", "recepi: rooms", "line 10: unknown key 'tables.0.measured.recepi'. Did you "
     "mean tables.measured.recipe"),
    ("    recipe: rooms\n", "", "line 8: tables.0.measured.recipe: Field required"),
    ("sequence: rooms_s1", "sequence: {", "line "),
])
def test_a_wrong_mapping_is_refused_with_its_place(folder, old, new, message):
    assert MAPPING.count(old) == 1
    path = folder / "paws.yaml"
    path.write_text(MAPPING.replace(old, new))
    with pytest.raises(RequestError) as error:
        load_mapping("paws")
    assert str(error.value).startswith(str(path)) and message in str(error.value)


def test_each_table_of_the_numbers_is_mapped_once(folder):
    path = folder / "paws.yaml"
    entry = MAPPING[MAPPING.index("- table"):]
    path.write_text(MAPPING + entry)
    with pytest.raises(RequestError, match=r"paws\.yaml: tables\.1: the table of tables\.0"):
        load_mapping("paws")
    path.write_text(MAPPING.replace("table: main", "table: other"))
    with pytest.raises(RequestError, match=r"paws\.yaml: tables: nothing says what main, rooms"):
        paper_tables(published_cells("paws"), NO_RUNS)
