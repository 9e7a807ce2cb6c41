"""What is drawn and what is asked: classes, materials and the ten tasks; without torch."""

from __future__ import annotations

from benchmark.tasks import Task

CLASSES = ("wall", "floor", "ceiling", "door", "window", "picture", "rug", "table", "cabinet",
           "bed", "lamp", "ball", "vase", "pillar")
STRUCTURE = ("wall", "floor", "ceiling", "door", "window", "rug", "pillar")
"""Classes that belong to the room; everything else, mirrors too, is salient."""
MATERIALS = ("plain", "checker", "stripes", "wood", "marble", "dots")

TASKS = (
    Task(name="semantic", kind="segmentation", channels=len(CLASSES), classes=CLASSES),
    Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m"),
    Task(name="normal", kind="direction", channels=3),
    Task(name="edge", kind="binary", channels=1),
    Task(name="reshading", kind="regression", channels=1),
    Task(name="albedo", kind="regression", channels=3),
    Task(name="curvature", kind="regression", channels=2, unit="1/dm"),
    Task(name="keypoint", kind="regression", channels=1),
    Task(name="material", kind="segmentation", channels=len(MATERIALS), classes=MATERIALS),
    Task(name="saliency", kind="binary", channels=1),
)

NOTES = (
    "semantic: class of the surface at the pixel centre; mirrors are void",
    "depth: distance along the optical axis (z), in metres, exact everywhere, mirrors included",
    "normal: unit normal of the visible surface in the camera frame, facing the camera",
    "edge: 1 on the nearer of two neighbouring pixels of different bodies when neither surface's "
    "tangent plane explains the other's depth within 4 %",
    "reshading: cosine of the incidence of a white headlight 0.2 m above the camera, no shadows",
    "albedo: linear reflectance; mirrors have none and are invalid",
    "curvature: principal curvatures, larger first, in 1/dm, clipped at 1 (a radius of 0.1 m)",
    "keypoint: Gaussian heat (standard deviation: one pixel, or 1/50 of the width if larger) at "
    "the visible corners of the room and of large boxes",
    "material: kind of texture at the pixel centre; mirrors are void",
    "saliency: 1 on things, 0 on the room (wall, floor, ceiling, door, window, rug, pillar)",
)


def shape_and_dtype(task: Task, count: int, height: int, width: int) -> tuple[tuple[int, ...], str]:
    """How the targets of `count` images are stored."""
    if task.kind in ("segmentation", "binary"):
        return (count, height, width), "uint8"
    # Everything else is bounded by one; depth would lose millimetres to half precision.
    dtype = "float32" if task.name == "depth" else "float16"
    return (count, task.channels, height, width), dtype
