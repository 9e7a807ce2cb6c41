"""Random zoom, crop and flip: every kind by its rule, checked pixel by pixel."""

from __future__ import annotations

import math

import pytest
import torch

from benchmark.config.recipe import Recipe
from benchmark.data.loading.augment import augment
from benchmark.tasks import VOID, Task
from benchmark.tasks.losses import kind_of

SIZE = (24, 36)
ROWS, COLUMNS = torch.meshgrid(torch.arange(24.0), torch.arange(36.0), indexing="ij")
KINDS = {task.name: kind_of(task) for task in (
    Task(name="where", kind="regression", channels=2),
    Task(name="depth", kind="regression", channels=1, encoding="depth"),
    Task(name="near", kind="regression", channels=1, encoding="inverse_depth"),
    Task(name="normal", kind="direction", channels=3),
    Task(name="mask", kind="segmentation", channels=3),
    Task(name="edge", kind="binary", channels=1))}


def sample():
    """One image whose red and green are its pixels' places; labels tell their places too."""
    image = torch.stack([ROWS / 24, COLUMNS / 36, torch.rand(SIZE)])
    depth = 1 + ROWS * 36 + COLUMNS
    depth[::5, ::3] = math.nan
    angle = COLUMNS / 36 - 0.5
    normal = torch.stack([angle.sin(), 0 * angle, -angle.cos()])
    normal[:, 7] = 0
    mask = ((ROWS + COLUMNS) % 3).byte()
    mask[:, 4] = VOID
    return image, {"where": torch.stack([ROWS, COLUMNS]), "depth": depth[None],
                   "near": 1 / depth[None], "normal": normal, "mask": mask,
                   "edge": (COLUMNS % 2).byte()}


def views(count=40, **settings):
    image, targets = sample()
    recipe = Recipe(epochs=1, batch=4, lr=0.1, **settings)
    images, found = augment(image[None].repeat(count, 1, 1, 1),
                            {name: value[None].repeat(count, *[1] * value.dim())
                             for name, value in targets.items()},
                            KINDS, recipe, torch.Generator().manual_seed(0))
    return targets, images, found


@pytest.mark.parametrize("settings", [
    {"scales": (1.0, 1.2, 1.5), "flip": True}, {"crop": (12, 16)}, {"flip": True},
    {"crop": (12, 18), "scales": (1.0, 1.5), "flip": True}])
def test_every_label_pixel_is_one_of_the_original_by_its_kinds_rule(settings):
    targets, _, found = views(**settings)
    height, width = settings.get("crop", SIZE)
    mirrored, zooms = set(), set()
    for index in range(40):
        rows, columns = found["where"][index].long()  # nearest: each pixel tells where it is from
        flipped = bool(columns[0, 0] > columns[0, -1])
        window = int(rows.max() - rows.min()) + 1
        zoom = min(settings.get("scales", (1.0,)), key=lambda s: abs(height / s - window))
        mirrored.add(flipped)
        zooms.add(zoom)
        assert abs(int(abs(columns[0, -1] - columns[0, 0])) + 1 - width / zoom) <= 1.5
        for name in ("mask", "edge"):
            assert torch.equal(found[name][index], targets[name][rows, columns])
        depth = targets["depth"][0][rows, columns] / zoom
        torch.testing.assert_close(found["depth"][index, 0], depth, equal_nan=True)
        torch.testing.assert_close(found["near"][index, 0], 1 / depth, equal_nan=True)
        normal = targets["normal"][:, rows, columns].clone()
        normal[0] *= -1 if flipped else 1
        assert torch.equal(found["normal"][index], normal)
    assert mirrored == ({False, True} if settings.get("flip") else {False})
    assert zooms == set(settings.get("scales", (1.0,)))


@pytest.mark.parametrize("settings", [{"scales": (1.0, 1.2, 1.5), "flip": True},
                                      {"crop": (12, 16)}])
def test_images_move_with_their_labels(settings):
    _, images, found = views(**settings)
    tolerance = 0.51 if "scales" in settings else 1e-4  # labels are nearest, images bilinear
    assert ((images[:, 0] * 24 - found["where"][:, 0]).abs() <= tolerance).all()
    assert ((images[:, 1] * 36 - found["where"][:, 1]).abs() <= tolerance).all()


def test_windows_reach_every_place_and_are_the_seeds():
    _, _, found = views(400, crop=(12, 16))
    corners = {tuple(each[:, 0, 0].long().tolist()) for each in found["where"]}
    assert {corner[0] for corner in corners} == set(range(13))
    assert {corner[1] for corner in corners} == set(range(21))
    again = views(400, crop=(12, 16))[2]
    assert torch.equal(found["where"], again["where"])


def test_it_is_off_unless_asked_for():
    assert not Recipe(epochs=1, batch=1, lr=1).augments
