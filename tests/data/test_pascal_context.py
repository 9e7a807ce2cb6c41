"""PASCAL-Context: every task's numbers, the void rules, the frame of the normals, the sizes."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.sources import pascal_context
from benchmark.data.sources.prepared import open_prepared, prepare
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store
from benchmark.tasks import VOID
from tests.helpers.make_pascal_context import (
    NUMBERS,
    SIZE,
    TASKS,
    TRAIN,
    VAL,
    box,
    class_numbers,
    file,
    pixels,
    write_context,
    write_image,
    write_parts,
    write_pascal_mt,
    write_png,
)

A, B = TRAIN
ROOM = (8, 11)


def made(copy: Path, root: Path | None = None, **options: Any) -> Store:
    config = pascal_context.Config(**({"size": SIZE} | options))
    return prepare(pascal_context, config, copy, root or copy, workers=2)[0]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pascal") / "PASCAL_MT"
    write_pascal_mt(place)
    return place


@pytest.fixture(scope="module")
def store(copy: Path) -> Store:
    return made(copy, size=ROOM)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    write_pascal_mt(tmp_path)
    return tmp_path


def expected(task: str, row: int, column: int) -> list[float]:
    """The target at a pixel of the first training image, worked out by hand."""
    if row >= SIZE[0] or column >= SIZE[1]:
        return [0.0] * 3 if task == "normals" else [VOID]
    if task == "human_parts":
        return [2 if row == 1 else 1 if (row, column) == (0, 0) else 0]
    stored = pixels(task, A)[row, column].tolist()
    if task == "sal":
        return [1 if stored / 255 > 0.5 else 0]
    if task == "normals":
        if pixels("edge", A)[row, column] not in (NUMBERS["person"], NUMBERS["wall"],
                                                  NUMBERS["floor"], NUMBERS["tvmonitor"],
                                                  NUMBERS["air conditioner"]):
            return [0.0] * 3
        left, up, towards = (2 * value / 255 - 1 for value in stored)
        return [-each / math.hypot(left, up, towards) for each in (left, up, towards)]
    return [stored]


@pytest.mark.parametrize("task", ["semseg", "human_parts", "sal", "normals"])
def test_values(store: Store, task: str) -> None:
    values = store.values("train", task)[0].reshape(-1, *ROOM)
    by_hand = np.array([[expected(task, row, column) for column in range(ROOM[1])]
                        for row in range(ROOM[0])]).transpose(2, 0, 1)
    assert values.shape == by_hand.shape
    np.testing.assert_allclose(values, by_hand, atol=5e-4)


def test_tasks(store: Store) -> None:
    assert tuple(store.tasks) == TASKS == pascal_context.task_names(pascal_context.Config())
    assert {name: task.kind for name, task in store.tasks.items()} == {
        "semseg": "segmentation", "human_parts": "segmentation", "sal": "binary",
        "normals": "direction", "edge": "binary"}
    semseg, parts = store.tasks["semseg"].classes, store.tasks["human_parts"].classes
    assert (len(semseg), semseg[0], semseg[11], semseg[15], semseg[20]) == (
        21, "background", "diningtable", "person", "tvmonitor")
    assert parts == ("background", "head", "torso", "upper arm", "lower arm", "upper leg",
                     "lower leg")


def test_images_and_names(store: Store, copy: Path) -> None:
    image = np.asarray(Image.open(file(copy, "image", A))).transpose(2, 0, 1)
    placed = store.array("train", "image")[0]
    np.testing.assert_array_equal(placed[:, :SIZE[0], :SIZE[1]], image)
    for channel, mean in enumerate((124, 116, 104)):
        assert (placed[channel, SIZE[0]:] == mean).all()
        assert (placed[channel, :, SIZE[1]:] == mean).all()
    assert store.manifest.files["train/image"] == tuple(f"JPEGImages/{name}.jpg" for name in TRAIN)
    assert store.manifest.files["eval/image"] == tuple(f"JPEGImages/{name}.jpg" for name in VAL)
    assert store.manifest.marks == {}
    assert store.manifest.notes == ("sal and normals: made by networks, not by people",)


def test_found_below_the_data_root(copy: Path, tmp_path: Path) -> None:
    config = pascal_context.Config(size=SIZE)
    found = open_prepared(pascal_context, config, DataPaths(tmp_path, copy.parent))
    assert found.manifest.source["layout"] == "pascal_mt"
    np.testing.assert_array_equal(found.values("train", "semseg")[1], pixels("semseg", B))


def test_voc12_is_preferred_and_palettes_are_indices(own: Path) -> None:
    better = np.full(SIZE, 7, np.uint8)
    better[2, 3], better[4, 5] = 20, 255
    write_png(file(own, "VOC12", A), better, palette=True)
    values = made(own).values("train", "semseg")
    np.testing.assert_array_equal(values[0], better)
    np.testing.assert_array_equal(values[1], pixels("semseg", B))


def test_saliency_from_128_on(own: Path) -> None:
    stored = np.zeros(SIZE, np.uint8)
    stored[0, :4] = 127, 128, 255, 1
    write_png(file(own, "sal", A), stored)
    sal = made(own).values("train", "sal")[0]
    assert sal[0, :4].tolist() == [0, 1, 1, 0] and not sal[1:].any()


PART_NAMES = {
    1: "head hair lear rear lebrow rebrow leye reye nose mouth", 2: "torso neck",
    3: "luarm ruarm", 4: "llarm rlarm lhand rhand", 5: "luleg ruleg", 6: "llleg rlleg lfoot rfoot"}


def test_every_part_has_its_class(own: Path) -> None:
    by_name = {name: index for index, names in PART_NAMES.items() for name in names.split()}
    where = {name: divmod(number, SIZE[1]) for number, name in enumerate(by_name)}
    masks = [(name, box(SIZE, slice(row, row + 1), slice(column, column + 1)))
             for name, (row, column) in where.items()]
    write_parts(file(own, "human_parts", A), [(15, masks)])
    target = made(own).values("train", "human_parts")[0]
    assert {name: int(target[place]) for name, place in where.items()} == by_name
    assert int((target > 0).sum()) == len(by_name) == 24


def test_later_parts_cover_earlier_ones_and_only_people_count(own: Path) -> None:
    first, second = slice(0, 4), slice(2, 6)
    write_parts(file(own, "human_parts", A), [
        (12, [("head", box(SIZE, slice(None), slice(None)))]),
        (15, [("torso", box(SIZE, slice(None), first))]),
        (15, []),
        (15, [("luleg", box(SIZE, slice(None), second)),
              ("rhand", box(SIZE, slice(0, 1), second))]),
        (13, [("tail", box(SIZE, slice(None), slice(None)))])])
    target = made(own).values("train", "human_parts")[0]
    assert target[0].tolist() == [2, 2, 4, 4, 4, 4, 0, 0, 0]
    assert (target[1:] == [2, 2, 5, 5, 5, 5, 0, 0, 0]).all()


@pytest.mark.parametrize("objects", [
    [], [(15, [])], [(12, [("head", box(SIZE, slice(None), slice(None)))])],
    [(15, [("head", box(SIZE, slice(0), slice(0)))])]],
    ids=["no object", "no parts", "a dog", "an empty mask"])
def test_without_a_person_there_is_nothing_to_learn(own: Path, objects: Any) -> None:
    write_parts(file(own, "human_parts", A), objects)
    values = made(own).values("train", "human_parts")
    assert (values[0] == VOID).all() and (values[1] == expected_parts()).all()


def expected_parts() -> NDArray[Any]:
    return np.array([[expected("human_parts", row, column)[0] for column in range(SIZE[1])]
                     for row in range(SIZE[0])])


def test_normals_count_where_nyu_has_the_class(own: Path) -> None:
    names = ["wall", "sky", "person", "grass", "tvmonitor", "unknown", "floor", "wool", ""]
    write_context(file(own, "edge", A),
                  np.tile(np.uint16([class_numbers().get(name, 0) for name in names]), (7, 1)))
    counted = made(own).values("train", "normals")[0].any(axis=0)
    assert (counted == [True, False, True, False, True, False, True, False, False]).all()


def test_normals_everywhere(own: Path) -> None:
    (own / "pascal-context" / "labels.txt").unlink()
    store = made(own, normals="everywhere")
    assert store.values("train", "normals").any(axis=1).all()
    assert store.manifest.marks == {"normals": "everywhere"}


@pytest.mark.parametrize(("axes", "by_hand"), [
    ((1, 1, 1), [[-1, 0, 0], [0, -1, 0], [0, 0, -1]]),
    ((-1, 1, -1), [[1, 0, 0], [0, -1, 0], [0, 0, 1]])])
def test_files_hold_left_up_and_towards(own: Path, axes: Any, by_hand: Any) -> None:
    colours = np.full((*SIZE, 3), (127, 128, 255), np.uint8)
    colours[0, :3] = (255, 127, 128), (128, 255, 127), (127, 128, 255)
    write_png(file(own, "normals", A), colours)
    normals = made(own, normals="everywhere", normal_axes=axes).values("train", "normals")[0]
    np.testing.assert_allclose(normals[:, 0, :3].T, by_hand, atol=0.005)


@pytest.mark.parametrize("name", ["labels.txt", "json/context_classes.json",
                                  "db_info/context_classes.json"])
def test_names_of_the_classes_may_lie_elsewhere(own: Path, store: Store, name: str) -> None:
    usual = own / "pascal-context" / "labels.txt"
    text = usual.read_text()
    if name.endswith("json"):
        pairs = (line.split(": ") for line in text.splitlines())
        text = "{" + ", ".join(f'"{label}": {number}' for number, label in pairs) + "}"
    usual.unlink()
    (own / name).parent.mkdir(exist_ok=True)
    (own / name).write_text(text)
    assert made(own, size=ROOM).fingerprint == store.fingerprint


def halves(size: tuple[int, int], stored: int, other: int) -> NDArray[np.uint8]:
    """A map whose upper left quarter is of another value."""
    values = np.full(size, other, np.uint8)
    values[:size[0] // 2, :size[1] // 2] = stored
    return values


@pytest.mark.parametrize(("size", "inner"), [
    ((5, 20), (2, 8)), ((20, 4), (8, 2)), ((16, 16), (8, 8)), ((9, 8), (8, 7)), ((8, 8), (8, 8)),
    ((3, 2), (3, 2)), ((1, 40), (1, 8)), ((40, 1), (8, 1))])
def test_images_are_placed_without_distortion(tmp_path: Path, size: tuple[int, int],
                                              inner: tuple[int, int]) -> None:
    write_pascal_mt(tmp_path, sizes={A: size}, tasks=("semseg", "normals", "edge"))
    image = np.repeat(halves(size, 250, 20)[..., None], 3, axis=2)
    write_image(file(tmp_path, "image", A), image)
    write_png(file(tmp_path, "semseg", A), halves(size, 3, 4))
    store = made(tmp_path, size=(8, 8), normals="everywhere")
    semseg, normals = store.values("train", "semseg")[0], store.values("train", "normals")[0]
    inside = np.zeros((8, 8), bool)
    inside[:inner[0], :inner[1]] = True
    assert ((semseg != VOID) == inside).all() and (normals.any(axis=0) == inside).all()
    assert ((store.values("train", "edge")[0] != VOID) == inside).all()
    nearest = [[halves(size, 3, 4)[(2 * row + 1) * size[0] // (2 * inner[0]),
                                   (2 * column + 1) * size[1] // (2 * inner[1])]
                for column in range(inner[1])] for row in range(inner[0])]
    np.testing.assert_array_equal(semseg[:inner[0], :inner[1]], nearest)
    placed = store.array("train", "image")[0]
    assert (placed[:, ~inside] == [[124], [116], [104]]).all()
    decoded = Image.open(file(tmp_path, "image", A)).resize(inner[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(placed[:, :inner[0], :inner[1]],
                                  np.asarray(decoded).transpose(2, 0, 1))


def test_the_default_size_holds_every_image_as_it_is(tmp_path: Path) -> None:
    write_pascal_mt(tmp_path, train=(A,), sizes={A: (500, 375), VAL[0]: (375, 500)},
                    tasks=("semseg",))
    store = prepare(pascal_context, pascal_context.Config(), tmp_path, tmp_path, 2)[0]
    for split, name, size in (("train", A, (500, 375)), ("eval", VAL[0], (375, 500))):
        values = store.values(split, "semseg")[0]
        assert values.shape == (512, 512)
        np.testing.assert_array_equal(values[:size[0], :size[1]], pixels("semseg", name, size))


def test_images_in_the_order_of_the_lists(tmp_path: Path) -> None:
    names = ("2010_5", "2007_9", "2010_10", "b.2", "a-1")
    write_pascal_mt(tmp_path, train=names, tasks=("sal",))
    store = made(tmp_path)
    assert store.manifest.files["train/image"] == tuple(f"JPEGImages/{name}.jpg" for name in names)
    for row, name in enumerate(names):
        np.testing.assert_array_equal(store.values("train", "sal")[row],
                                      pixels("sal", name) >= 128)


@pytest.mark.parametrize("tasks", [("edge",), ("sal", "semseg"), ("human_parts",)])
def test_tasks_without_files_are_left_out(tmp_path: Path, tasks: tuple[str, ...]) -> None:
    write_pascal_mt(tmp_path, tasks=tasks)
    assert set(made(tmp_path).tasks) == set(tasks)


def test_import_is_light() -> None:
    code = ("import sys, benchmark.data.sources.pascal_context; "
            "assert not {'torch', 'h5py', 'pyarrow', 'pandas', 'scipy', 'skimage'} "
            "& set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True,
                   cwd=Path(__file__).resolve().parents[2])
