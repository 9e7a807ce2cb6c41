"""Rooms: labels against closed forms, and the same bits for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark.data.sources.rooms.render import render_scenes
from benchmark.data.sources.rooms.sample import sample
from benchmark.data.sources.rooms.scene import CLASSES, Body, Camera, Light, Scene, Surface
from benchmark.tasks import VOID

Array = NDArray[np.float64]
HEIGHT, WIDTH, FOCAL = 48, 64, 0.8
EYE = np.array([1.0, 2.5, 1.4])
SIZE = (6.0, 5.0, 3.0)
BALL, PILLAR, CABINET = (CLASSES.index(name) for name in ("ball", "pillar", "cabinet"))


def one(*bodies: Body, **camera: float) -> dict[str, Array]:
    """Labels of a scene seen along x from EYE, as numpy arrays without the batch dimension."""
    scene = Scene(Camera((1.0, 2.5, 1.4), focal=FOCAL, **camera), SIZE, bodies=bodies)
    return {name: value[0].double().numpy() for name, value in
            render_scenes([scene], HEIGHT, WIDTH).items()}


def pixel_rays() -> Array:
    """[H, W, 3] camera-frame directions (right, down, forward = 1) through the pixel centres."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    focal = FOCAL * WIDTH
    return np.stack([(columns + 0.5 - WIDTH / 2) / focal, (rows + 0.5 - HEIGHT / 2) / focal,
                     np.ones((HEIGHT, WIDTH))], -1)


def away(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels whose neighbourhood is all in or all out: rounding cannot change their side."""
    wide = np.pad(mask, 1, mode="edge")
    parts = [wide[y:y + HEIGHT, x:x + WIDTH] for y in range(3) for x in range(3)]
    return np.all(parts, 0) | ~np.any(parts, 0)


def test_sphere_agrees_with_the_quadratic_formula() -> None:
    radius, seen = 0.5, one(Body("sphere", (3.5, 2.2, 1.1), (0.5,) * 3, BALL))
    rays = pixel_rays()
    centre = np.array([0.3, 0.3, 2.5])  # right is -y, down is -z, forward is x
    a, b = (rays**2).sum(-1), -2 * rays @ centre
    root = b**2 - 4 * a * (centre @ centre - radius**2)
    hit = root > 0
    depth = (-b - np.sqrt(np.maximum(root, 0))) / (2 * a)
    normal = (rays * depth[..., None] - centre) / radius
    sure = away(hit)
    assert ((seen["semantic"] == BALL) == hit)[sure].all()
    inner = hit & sure
    assert inner.sum() > 200
    np.testing.assert_allclose(seen["depth"][0][inner], depth[inner], rtol=2e-5)
    np.testing.assert_allclose(seen["normal"].transpose(1, 2, 0)[inner], normal[inner], atol=2e-3)
    np.testing.assert_allclose(seen["curvature"][:, inner], 1 / radius / 10, rtol=1e-3)
    assert (seen["curvature"][:, ~hit & sure] == 0).all()


def test_cylinder_agrees_with_a_march_along_the_ray() -> None:
    """The cylinder is found by its distance function alone, without any algebra of rays."""
    radius, tall = 0.4, 0.6
    seen = one(Body("cylinder", (3.0, 2.6, 0.6), (radius, radius, tall), PILLAR))
    rays = pixel_rays()
    depth = np.zeros((HEIGHT, WIDTH))
    for _ in range(400):
        right, down, forward = np.moveaxis(rays * depth[..., None], -1, 0)
        side = np.hypot(right + 0.1, forward - 2.0) - radius
        above = np.abs(down - 0.8) - tall
        outside = np.hypot(np.maximum(side, 0), np.maximum(above, 0))
        distance = outside + np.minimum(np.maximum(side, above), 0)
        depth += np.where(depth < 10, distance, 0) / np.sqrt((rays**2).sum(-1))
    hit = depth < 4
    inner = hit & away(hit)
    assert inner.sum() > 150
    assert ((seen["semantic"] == PILLAR) == hit)[away(hit)].all()
    np.testing.assert_allclose(seen["depth"][0][inner], depth[inner], atol=1e-4)
    on_side = inner & (np.abs(side) < 1e-6) & (above < -0.02)
    on_top = inner & (side < -0.02)
    assert on_side.sum() > 100 and on_top.sum() > 10
    np.testing.assert_allclose(seen["curvature"][0][on_side], 0.25, rtol=1e-3)
    assert (seen["curvature"][1] == 0).all() and (seen["curvature"][:, on_top] == 0).all()
    np.testing.assert_allclose(seen["normal"][:, on_top].T, [[0, -1, 0]] * on_top.sum(), atol=1e-3)


def test_turned_box_agrees_with_its_six_faces() -> None:
    """Every face is a rectangle: plane, then two bounds; the nearest face wins."""
    yaw, half = 0.6, np.array([0.5, 0.3, 0.4])
    seen = one(Body("box", (3.4, 2.4, 0.9), (0.5, 0.3, 0.4), CABINET, yaw=yaw))
    rays = pixel_rays()
    turn = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    to_world = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]], float)
    into = rays @ to_world @ turn.T
    start = turn @ (EYE - [3.4, 2.4, 0.9])
    depth, normal = np.full((HEIGHT, WIDTH), np.inf), np.zeros((HEIGHT, WIDTH, 3))
    for axis in range(3):
        for sign in (-1, 1):
            t = (sign * half[axis] - start[axis]) / into[..., axis]
            others = [i for i in range(3) if i != axis]
            at = start + into * t[..., None]
            nearer = (np.abs(at[..., others]) <= half[others]).all(-1) & (t > 0) & (t < depth)
            face = np.zeros(3)
            face[axis] = sign
            depth[nearer], normal[nearer] = t[nearer], to_world @ (turn.T @ face)
    hit = np.isfinite(depth)
    inner = hit & away(hit)
    assert inner.sum() > 200
    assert ((seen["semantic"] == CABINET) == hit)[away(hit)].all()
    np.testing.assert_allclose(seen["depth"][0][inner], depth[inner], rtol=2e-5)
    close = np.isclose(seen["normal"].transpose(1, 2, 0), normal, atol=2e-3).all(-1)
    assert close[inner].mean() > 0.99  # a pixel on the crease may go either way


@pytest.mark.parametrize("pose", [{}, {"yaw": 0.7, "pitch": -0.3, "roll": 0.06}])
def test_normals_are_those_of_the_surface_that_depth_describes(pose: dict[str, float]) -> None:
    seen = one(Body("box", (3.4, 2.4, 0.5), (0.5, 0.3, 0.5), CABINET, yaw=0.4), **pose)
    points = pixel_rays() * seen["depth"][0][..., None]
    across = points[1:-1, 2:] - points[1:-1, :-2]
    down = points[2:, 1:-1] - points[:-2, 1:-1]
    normal = np.cross(down, across)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    stored = seen["normal"].transpose(1, 2, 0)
    same = [np.isclose(stored[1:-1, 1:-1], stored[y:y + HEIGHT - 2, x:x + WIDTH - 2]).all(-1)
            for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))]
    semantic = seen["semantic"]
    one_body = [semantic[1:-1, 1:-1] == semantic[y:y + HEIGHT - 2, x:x + WIDTH - 2]
                for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))]
    flat = np.all(same, 0) & np.all(one_body, 0)
    assert flat.mean() > 0.6
    stored /= np.linalg.norm(stored, axis=-1, keepdims=True)
    cosine = (normal * stored[1:-1, 1:-1]).sum(-1)[flat]
    assert np.median(cosine) > 0.99999 and (cosine > 0.999).mean() > 0.995


def test_edges_mark_the_silhouette_only() -> None:
    seen = one(Body("sphere", (3.5, 2.5, 1.4), (0.5,) * 3, BALL))
    ball = seen["semantic"] == BALL
    wide = np.pad(ball, 1)
    rim = ball & ~(wide[2:, 1:-1] & wide[:-2, 1:-1] & wide[1:-1, 2:] & wide[1:-1, :-2])
    assert (seen["edge"] == rim).all()
    assert one()["edge"].sum() == 0


def test_reshading_is_brightest_facing_the_camera_and_ignores_colour() -> None:
    dark = Body("sphere", (3.5, 2.5, 1.4), (0.5,) * 3, BALL, Surface(first=(0.0, 0.0, 0.0)))
    light = Body("sphere", (3.5, 2.5, 1.4), (0.5,) * 3, BALL, Surface(first=(1.0, 0.9, 0.8)))
    shaded = one(dark)["reshading"]
    assert (shaded == one(light)["reshading"]).all()
    assert shaded[0, HEIGHT // 2 - 1, WIDTH // 2] > 0.98
    ball = one(dark)["semantic"] == BALL
    assert shaded[0][ball].min() < 0.45


def test_albedo_is_the_colour_of_a_plain_surface_under_any_light() -> None:
    colour = (0.7, 0.2, 0.05)
    body = Body("sphere", (3.5, 2.5, 1.4), (0.5,) * 3, BALL, Surface(first=colour))
    seen = one(body)
    ball = seen["semantic"] == BALL
    np.testing.assert_allclose(seen["albedo"][:, ball].T, [colour] * ball.sum(), rtol=1e-3)


def test_keypoints_are_the_corners_the_camera_sees() -> None:
    body = Body("box", (3.5, 2.5, 1.4), (0.2, 0.5, 0.3), CABINET, corners=True)
    heat = one(body)["keypoint"][0]
    focal = FOCAL * WIDTH
    for right in (-0.5, 0.5):
        for down in (-0.3, 0.3):
            x, y = WIDTH / 2 + right / 2.3 * focal, HEIGHT / 2 + down / 2.3 * focal
            assert heat[int(y), int(x)] > 0.75
    # The back of the box hides behind its front, at 2.7 m.
    x, y = WIDTH / 2 - 0.5 / 2.7 * focal, HEIGHT / 2 - 0.3 / 2.7 * focal
    front = WIDTH / 2 - 0.5 / 2.3 * focal, HEIGHT / 2 - 0.3 / 2.3 * focal
    gauss = np.exp(-((int(x) + 0.5 - front[0])**2 + (int(y) + 0.5 - front[1])**2) / 2 / 1.28**2)
    assert heat[int(y), int(x)] == pytest.approx(gauss, abs=2e-3)


def test_a_body_between_light_and_wall_casts_a_shadow() -> None:
    def image(*bodies: Body) -> Array:
        scene = Scene(Camera((1.0, 2.5, 1.4), focal=FOCAL), SIZE, bodies=bodies,
                      lights=(Light((1.0, 2.5, 2.6), (5.0, 5.0, 5.0)),))
        return render_scenes([scene], HEIGHT, WIDTH)["image"][0].double().numpy()

    ball = Body("sphere", (3.0, 2.5, 2.0), (0.3,) * 3, BALL)
    # On the line from the light through the ball's middle lies the wall at height 1.1 m.
    row = int(HEIGHT / 2 + (1.4 - 1.1) / 5 * FOCAL * WIDTH)
    lit, shaded = image()[:, row, WIDTH // 2], image(ball)[:, row, WIDTH // 2]
    assert (shaded < 0.9 * lit).all()


def test_a_mirror_has_depth_but_neither_class_nor_material_nor_albedo() -> None:
    glass = Surface(mirror=True)
    seen = one(Body("box", (4.0, 2.5, 1.4), (0.1, 0.5, 0.5), VOID, glass))
    plain = one(Body("box", (4.0, 2.5, 1.4), (0.1, 0.5, 0.5), CABINET))
    void = seen["semantic"] == VOID
    assert void.any() and (void == (plain["semantic"] == CABINET)).all()
    assert (void == (seen["material"] == VOID)).all()
    assert (np.isnan(seen["albedo"]).all(0) == void).all()
    assert (seen["depth"] == plain["depth"]).all() and (seen["normal"] == plain["normal"]).all()


def everything(scenes: list[Scene], height: int = 40, width: int = 52) -> dict[str, torch.Tensor]:
    return render_scenes(scenes, height, width)


def bits(value: torch.Tensor) -> bytes:
    return value.numpy().tobytes()


def test_an_image_has_the_same_bits_in_every_batch() -> None:
    scenes = [sample(3, "train", index) for index in range(24)]
    whole = everything(scenes)
    for part in (slice(0, 1), slice(5, 12), slice(7, 8), slice(11, 24)):
        for name, value in everything(scenes[part]).items():
            assert bits(value) == bits(whole[name][part].contiguous()), name


def test_images_depend_on_seed_split_and_index_only() -> None:
    first = everything([sample(0, "train", 5)])["image"]
    assert bits(first) == bits(everything([sample(0, "train", 5)])["image"])
    for other in (sample(1, "train", 5), sample(0, "eval", 5), sample(0, "train", 6)):
        assert (everything([other])["image"] != first).float().mean() > 0.5


def test_normals_have_unit_length_and_face_the_camera() -> None:
    scenes = [sample(0, "train", index) for index in range(60)]
    normal = render_scenes(scenes, HEIGHT, WIDTH)["normal"].double().numpy()
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-3)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    for one_normal, scene in zip(normal, scenes, strict=True):
        focal = scene.camera.focal * WIDTH
        ray = np.stack([(columns + 0.5 - WIDTH / 2) / focal, (rows + 0.5 - HEIGHT / 2) / focal,
                        np.ones((HEIGHT, WIDTH))])
        assert (one_normal * ray).sum(0).max() < 0.01
