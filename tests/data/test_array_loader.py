"""Batches: the same held or streamed, invalid where an image has no label, decoded exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config.recipe import Recipe
from benchmark.data.loading import array_loader
from benchmark.data.loading.array_loader import ArrayLoader, decode
from benchmark.data.loading.blocks import blocks
from benchmark.data.loading.phase_data import PhaseData
from benchmark.data.store.codec import Codec
from benchmark.data.store.writer import build
from benchmark.errors import RequestError
from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of

CPU = torch.device("cpu")
SIZE, COUNT = (12, 16), 23
CODEC = Codec(scale=0.01, offset=-1.0, invalid=0)
TASKS = {task.name: task for task in (
    Task(name="mask", kind="segmentation", channels=4),
    Task(name="depth", kind="regression", channels=1, encoding="depth"),
    Task(name="heat", kind="regression", channels=2),
    Task(name="normal", kind="direction", channels=3),
    Task(name="edge", kind="binary", channels=1))}


def fill(writer):
    numbers = np.random.default_rng(0)
    for split, count in (("train", COUNT), ("eval", 5)):
        writer.array(split, "image", (count, 3, *SIZE), "uint8")[:] = numbers.integers(
            0, 256, (count, 3, *SIZE))
        for name, classes in (("mask", 4), ("edge", 2)):
            labels = numbers.integers(0, classes, (count, *SIZE), np.uint8)
            labels[numbers.random(labels.shape) < 0.1] = 255
            writer.array(split, name, labels.shape, "uint8")[:] = labels
        codes = numbers.integers(0, 65536, (count, 1, *SIZE))
        writer.array(split, "depth", codes.shape, "uint16", CODEC)[:] = codes
        heat = numbers.normal(size=(count, 2, *SIZE))
        heat[:, :, 3] = np.nan
        writer.array(split, "heat", heat.shape, "float32")[:] = heat
        normal = numbers.normal(size=(count, 3, *SIZE))
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        normal[:, :, 5] = 0
        writer.array(split, "normal", normal.shape, "float16")[:] = normal


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("columns") / "store"
    return build(folder, list(TASKS.values()), "toy", 1, {}, fill)


def phase(store, preload, regime="lifelong", split="disjoint", task="depth", **settings):
    recipe = Recipe(epochs=1, batch=4, lr=0.1, **settings)
    block = next(each for each in blocks(list(TASKS), COUNT, split, regime) if task in each.tasks)
    return PhaseData(store, block, TASKS, recipe, 7, CPU, preload), block


def same(first, second):
    """Every batch of both is equal, NaN included."""
    for one, other in itertools.zip_longest(first, second):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.positions, other.positions)
        assert one.targets.keys() == other.targets.keys()
        for name, target in one.targets.items():
            torch.testing.assert_close(target, other.targets[name], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(("regime", "split"), [("lifelong", "shared"), ("lifelong", "disjoint"),
                                               ("joint", "disjoint"), ("multitask", "shared")])
@pytest.mark.parametrize("settings", [{}, {"scales": (1.0, 1.2, 1.5), "flip": True,
                                           "crop": (8, 8), "crops_per_image": 2}])
def test_held_and_streamed_give_the_same_batches(store, regime, split, settings):
    held, _ = phase(store, "resident", regime, split, **settings)
    streamed, _ = phase(store, "streamed", regime, split, **settings)
    for epoch in (1, 2):
        same(held.epoch(epoch), streamed.epoch(epoch))
    same(held.plain(3), streamed.plain(3))


def test_what_is_too_large_is_streamed(store, monkeypatch):
    found = ArrayLoader(store, "train", CPU)
    found.add("image")
    assert not found.streamed
    monkeypatch.setattr(array_loader, "memory", lambda device: 4 * COUNT * 3 * 12 * 16 + 1000)
    found = ArrayLoader(store, "train", CPU)
    found.add("image")
    assert not found.streamed
    found.add("normal")
    assert found.streamed
    (got,) = found.batches([{"image": torch.tensor([3, 1]), "normal": torch.tensor([0, 2])}])
    assert np.array_equal(got["image"], store.array("train", "image")[[3, 1]])
    assert np.array_equal(got["normal"], store.array("train", "normal")[[0, 2]].astype(np.float32))


@pytest.mark.parametrize("preload", ["resident", "streamed"])
def test_batches_hold_what_the_store_holds(store, preload):
    data, block = phase(store, preload, task="depth", shuffle=False, drop_last=False)
    rows = block.images
    assert list(rows) == [4, 5, 6, 7]  # the second of five blocks of 23 // 5 images
    (batch,) = data.epoch(1)
    images = store.array("train", "image")[rows]
    np.testing.assert_array_equal(batch.images.numpy(), images.astype(np.float32) / 255)
    assert list(batch.targets) == ["depth"]
    np.testing.assert_array_equal(batch.targets["depth"].numpy(),
                                  store.values("train", "depth")[rows])


@pytest.mark.parametrize("preload", ["resident", "streamed"])
def test_joint_training_has_labels_on_a_tasks_own_block_only(store, preload):
    data, block = phase(store, preload, "joint", shuffle=False, drop_last=False)
    seen = torch.zeros(len(block.images), len(TASKS), dtype=torch.bool)
    for batch in data.epoch(1):
        for column, (name, task) in enumerate(TASKS.items()):
            valid = kind_of(task).valid(batch.targets[name]).flatten(1).any(1)
            seen[batch.positions, column] = valid
    expected = np.kron(np.eye(len(TASKS)), np.ones((4, 1)))
    assert np.array_equal(seen.numpy(), expected)


def test_leaving_an_epoch_half_way_ends_the_readers(store):
    data, _ = phase(store, "streamed", split="shared")
    epoch = data.epoch(1)
    next(epoch)
    epoch.close()
    same(data.epoch(1), phase(store, "resident", split="shared")[0].epoch(1))


def test_a_crop_larger_than_the_images_is_refused(store):
    with pytest.raises(RequestError, match=r"recipe.crop is \[8, 17\], the images are \[12, 16\]"):
        phase(store, "resident", crop=(8, 17))


OFFSETS = st.just(0.0) | st.floats(1e-6, 100) | st.floats(-100, -1e-6)


@given(st.integers(0, 65535), st.integers(0, 65535), st.floats(1e-5, 10), OFFSETS)
def test_codes_survive_decoding_and_encoding(code, invalid, scale, offset):
    codec = Codec(scale=scale, offset=offset, invalid=invalid)
    codes = np.array([[code, invalid]], np.uint16)
    exact = np.where(codes == invalid, np.nan, codes.astype(np.float64) * scale + offset)
    np.testing.assert_allclose(codec.decode(codes), exact, rtol=1e-5, atol=1e-5 * abs(offset))
    assert np.array_equal(codec.encode(exact), codes)
    twin = decode(codec, torch.from_numpy(codes.view(np.int16)))
    np.testing.assert_array_equal(twin.numpy(), codec.decode(codes))


def test_values_beyond_the_codes_are_refused():
    codec = Codec(scale=0.5, offset=1.0, invalid=0)
    assert codec.encode(np.array([1.5, 2.0, np.nan])).tolist() == [1, 2, 0]
    for value, message in ((0.2, "the value 0.2 is outside 1 to 32768.5"),
                           (40000, "the value 40000 is outside"), (1.0, "kept for invalid")):
        with pytest.raises(ValueError, match=message):
            codec.encode(np.array([2.0, value, np.nan]))
