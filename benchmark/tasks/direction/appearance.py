"""Direction: a colour per direction, and a ball that shows all that face the camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.appearance import ColourKey, KindAppearance, PictureKey
from benchmark.tasks.task import Task

_AXES = np.array([-1, 1, 1])
"""Signs of x, y and z under which towards the camera is blue, as usual."""
_BALL = 101
"""Pixels of the ball's sides."""


class DirectionAppearance(KindAppearance):
    """Red to the right, green up, blue towards the camera."""

    def limits(self, task: Task, truth: NDArray[Any],
               valid: NDArray[np.bool_]) -> tuple[float, float]:
        return -1.0, 1.0

    def colours(self, task: Task, maps: Sequence[NDArray[np.float32]],
                limits: tuple[float, float]) -> list[NDArray[Any]]:
        return [(127.5 - 127.5 * each * _AXES[:, None, None]).transpose(0, 2, 3, 1)
                for each in maps]

    def key(self, task: Task, truth: NDArray[Any], *shown: NDArray[Any]) -> ColourKey:
        across, down = np.meshgrid(*[np.linspace(-1, 1, _BALL)] * 2)
        depth = 1 - across**2 - down**2
        facing = np.stack([across, down, -np.sqrt(depth.clip(0))], dtype=np.float32)[None]
        ball = self.colours(task, [facing], (-1.0, 1.0))[0][0].clip(0, 255).astype(np.uint8)
        ball[depth < 0] = 255
        return PictureKey(ball, "a ball seen from the camera")

    def caption(self, task: Task, truth: NDArray[Any], valid: NDArray[np.bool_]) -> str:
        return ""
