"""Previews: what was predicted after every phase, whatever happens on the way."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.engine import checkpoint
from benchmark.engine.options import Stopped
from benchmark.engine.previews import (
    BYTES,
    IMAGES,
    PREVIEWS_FILE,
    Previews,
    images_kept,
    load_previews,
)
from benchmark.engine.state_files import BOUNDARY_FILE
from benchmark.errors import RequestError
from benchmark.tasks import Task
from tests.helpers.previews import TASKS, arrays


def files(outcome_or_folder):
    folder = getattr(outcome_or_folder, "folder", outcome_or_folder)
    return (folder / PREVIEWS_FILE).read_bytes()


def stopped(tiny, runs, at, **given):
    """The folder of a run that left off at (phase, epoch)."""
    with contextlib.suppress(Stopped):
        tiny("had", runs=runs, checkpoint_seconds=0, stop_when=lambda *now: now == at, **given)
    return next(runs.glob("*"))


def test_every_phase_is_kept_and_is_what_the_network_says(tiny, tmp_path):
    outcome = tiny("had")
    found = load_previews(outcome.folder)
    names = ("semantic", "depth", "normal")
    assert tuple(task.name for task in found.tasks) == names
    assert set(found.raw) == {(phase, task) for phase in (1, 2, 3) for task in names[:phase]}
    assert [found.phases(name) for name in names] == [[1, 2, 3], [2, 3], [3]]
    assert found.images.shape == (IMAGES, 3, 24, 32)
    early = load_previews(stopped(tiny, tmp_path / "early", (2, 0)))
    assert set(early.raw) == {(1, "semantic"), (2, "semantic"), (2, "depth")}
    for key, raw in early.raw.items():
        assert np.array_equal(raw, found.raw[key])
    assert not np.array_equal(found.raw[2, "semantic"], found.raw[3, "semantic"])


def test_a_frozen_backbone_predicts_the_same_after_every_phase(tiny):
    found = load_previews(tiny("frozen").folder)
    for task in ("semantic", "depth"):
        first, *later = found.phases(task)
        for phase in later:
            assert np.array_equal(found.raw[first, task], found.raw[phase, task])


def test_interrupted_anywhere_it_ends_in_the_same_bytes(tiny, tmp_path):
    whole = files(tiny("had"))
    seen = []

    def everywhere_once(phase, epoch):
        seen.append((phase, epoch))
        return seen.count((phase, epoch)) == 1

    for _ in range(20):
        with contextlib.suppress(Stopped):
            outcome = tiny("had", runs=tmp_path / "resumed", checkpoint_seconds=0,
                           stop_when=everywhere_once)
            break
    assert len(seen) > 5
    assert files(outcome) == whole
    # Killed after the previews of phase 2 were written and before its checkpoint was.
    ahead = stopped(tiny, tmp_path / "ahead", (1, 0))
    (ahead / PREVIEWS_FILE).write_bytes(whole)
    assert files(tiny("had", runs=tmp_path / "ahead")) == whole


def test_a_run_begun_without_previews_goes_on(tiny, tmp_path):
    folder = stopped(tiny, tmp_path / "old", (2, 0))
    (folder / PREVIEWS_FILE).unlink()
    outcome = tiny("had", runs=tmp_path / "old")
    assert {phase for phase, _ in load_previews(outcome.folder).raw} == {3}
    assert {file.name for file in (folder / "previews").iterdir()} == {
        "semantic.png", "depth.png", "normal.png"}


def test_a_run_goes_on_without_previews_of_another_run(tiny, tmp_path, capsys):
    folder = stopped(tiny, tmp_path / "broken", (1, 0))
    found = load_previews(folder)
    Previews(found.tasks, found.images + 1, found.truth, found.raw).save(folder)
    tiny("had", runs=tmp_path / "broken")
    assert {phase for phase, _ in load_previews(folder).raw} == {2, 3}
    assert re.search(rf"{PREVIEWS_FILE}.* another run", capsys.readouterr().err)


def test_looking_changes_nothing(tiny, tmp_path, monkeypatch):
    settings = ["recipe.shuffle=true", "recipe.flip=true"]
    looked = tiny("had", settings=settings)
    monkeypatch.setattr(Previews, "take", lambda *given: None)
    blind = tiny("had", settings=settings, runs=tmp_path / "blind")
    assert not load_previews(blind.folder).raw
    assert looked.record.matrix == blind.record.matrix
    states = [checkpoint.load_state(each.folder / BOUNDARY_FILE) for each in (looked, blind)]
    assert states[0]["network"].keys() == states[1]["network"].keys()
    for name, value in states[0]["network"].items():
        assert torch.equal(value, states[1]["network"][name])
    assert [info["encoder_forwards"] for info in states[0]["phases"]] == [
        info["encoder_forwards"] for info in states[1]["phases"]]


@pytest.mark.parametrize(("method", "sequence", "settings", "phases"), [
    ("joint", "rooms_s1", (), (3,)),
    ("separate", "rooms_s2", ("recipe.epochs=1",), (1, 2, 3)),
    ("finetune", "rooms5_s1", ("recipe.precision=bf16", "recipe.epochs=1"), (1, 2, 3, 4, 5)),
    ("lwf", "rooms_hetero_s1", ("recipe.epochs=1", "dataset.height=32"), (1, 2, 3))])
def test_bounds_all_kinds_bf16_and_other_backbones(method, sequence, settings, phases, tiny):
    found = load_previews(tiny(method, sequence, settings=settings).folder)
    assert tuple(sorted({phase for phase, _ in found.raw})) == phases
    for task in found.tasks:
        truth, last = found.truth[task.name], phases[-1]
        assert task.valid(truth).any()
        assert np.isfinite(found.raw[last, task.name]).all()
        shape = truth.shape
        assert found.prediction(last, task).shape == shape


kinds = st.sampled_from([("segmentation", 13), ("regression", 1), ("regression", 3),
                         ("direction", 3), ("binary", 1)])


@given(st.lists(kinds, min_size=1, max_size=10), st.integers(1, 1 << 18), st.data())
def test_as_many_images_are_kept_as_fit(chosen, pixels, data):
    tasks = [Task(name=f"t{index}", kind=kind, channels=channels)
             for index, (kind, channels) in enumerate(chosen)]
    cuts = data.draw(st.sets(st.integers(1, len(tasks)))) | {len(tasks)}
    names = [task.name for task in tasks]
    learnt = [names[low:high] for low, high in itertools.pairwise([0, *sorted(cuts)])]

    def size(images):
        known, total = [], images * pixels * 3
        for task in tasks:
            narrow = task.kind in ("segmentation", "binary")
            total += images * pixels * (1 if narrow else task.channels * 2)
        for block in learnt:
            known += block
            total += sum(images * pixels * task.channels * 2 for task in tasks
                         if task.name in known)
        return total

    kept = images_kept(tasks, learnt, pixels)
    assert 1 <= kept <= IMAGES
    assert size(kept) <= BYTES or kept == 1
    assert size(kept + 1) > BYTES or kept == IMAGES


@given(st.integers(0, 99), st.lists(st.sampled_from(TASKS), min_size=1, unique=True),
       st.integers(1, 3), st.integers(1, 5))
def test_what_is_saved_is_loaded_and_order_does_not_matter(seed, tasks, images, height):
    made = arrays(tasks, images, height, seed=seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made.save(folder)
        found, first = load_previews(folder), files(folder)
        Previews(made.tasks, made.images, dict(reversed(made.truth.items())),
                 dict(reversed(made.raw.items()))).save(folder)
        assert files(folder) == first
    assert found.tasks == made.tasks
    assert np.array_equal(found.images, made.images)
    for kept, wanted in ((found.truth, made.truth), (found.raw, made.raw)):
        assert kept.keys() == wanted.keys()
        for key, values in wanted.items():
            assert kept[key].dtype == values.dtype
            assert np.array_equal(kept[key], values, equal_nan=values.dtype != np.uint8)


def content(previews=None, **changes):
    """The arrays of a sound file, with changes; None leaves one out."""
    previews = previews or arrays(TASKS[:2])
    held = {"tasks": np.array([task.model_dump_json() for task in previews.tasks]),
            "images": previews.images,
            **{f"truth/{name}": values for name, values in previews.truth.items()},
            **{f"raw/{phase}/{name}": values for (phase, name), values in previews.raw.items()}}
    return {key: values for key, values in (held | changes).items() if values is not None}


WRONG = {
    "no tasks": {"tasks": None},
    "no images": {"images": None},
    "tasks that are none": {"tasks": np.array(['{"name": "x", "kind": "poem", "channels": 1}'])},
    "tasks in one string": {"tasks": np.array("[]")},
    "pictures of another type": {"images": np.zeros((2, 3, 3, 4), np.float32)},
    "no pixels": {"images": np.zeros((2, 3, 0, 4), np.uint8)},
    "pictures of one line": {"images": np.zeros((2, 3, 4), np.uint8)},
    "truth of another size": {"truth/depth": np.zeros((2, 1, 3, 5), np.float16)},
    "labels beyond the classes": {"truth/semantic": np.full((2, 3, 4), 5, np.uint8)},
    "truth missing": {"truth/depth": None},
    "outputs of another type": {"raw/1/semantic": np.zeros((2, 5, 3, 4), np.float64)},
    "too few channels": {"raw/1/semantic": np.zeros((2, 4, 3, 4), np.float16)},
    "a task unheard of": {"raw/1/poem": np.zeros((2, 1, 3, 4), np.float16)},
    "a phase too many": {"raw/3/depth": np.zeros((2, 1, 3, 4), np.float16)},
    "a path": {"../../escape": np.zeros(3)},
    "an object": {"raw/1/semantic": np.array([print], dtype=object)},
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_a_preview_is_refused_by_name(case, tmp_path):
    np.savez(tmp_path / PREVIEWS_FILE, **content())
    load_previews(tmp_path)
    np.savez(tmp_path / PREVIEWS_FILE, allow_pickle=True, **content(**WRONG[case]))
    with pytest.raises(RequestError, match=PREVIEWS_FILE):
        load_previews(tmp_path)


def test_damaged_files_are_refused_by_name(tmp_path):
    path = tmp_path / PREVIEWS_FILE
    with pytest.raises(RequestError, match=r"previews\.npz does not exist"):
        load_previews(tmp_path)
    arrays(TASKS).save(tmp_path)
    sound = path.read_bytes()
    for cut in (0, 10, len(sound) // 2, len(sound) - 5):
        path.write_bytes(sound[:cut])
        with pytest.raises(RequestError, match=PREVIEWS_FILE):
            load_previews(tmp_path)
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(RequestError, match=PREVIEWS_FILE):
        load_previews(tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.engine.previews.UNPACKED", 4 << 20)
    path = tmp_path / PREVIEWS_FILE
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(5 << 20))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(RequestError, match="unpacks to more than 4 MiB"):
        load_previews(tmp_path)
