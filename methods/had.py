"""HAD: Heterogeneity-Aware Distillation (Zhang et al., CVPR 2026), as the paper states it."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from benchmark.components.distillation import Distillation, DistillationConfig
from benchmark.components.salience import salient_pixels
from benchmark.method import Phase, Step, setting
from benchmark.tasks import Task
from benchmark.tasks.losses import Kind

FLOOR = 0.01
"""Least loss inside the geometric mean, as a share of the image's mean. The paper does not say what
a zero does; without a floor, the gradient (1 / loss) is that of the few best pixels alone."""


class HAD(Distillation):
    """L = L_new + weight / (2 (t-1)) * sum_j [ L_db,j + L_sg,j ] over the t-1 old tasks.

    L_db balances over groups of the teacher's output (classes; for other maps, intervals of the
    min-max scaled channel mean): the geometric mean of the distance within a group, the mean over
    the groups present in an image. L_sg is the mean distance where the Sobel gradient of the
    distance map, min-max scaled per image, exceeds `salience_threshold`.

    The paper leaves open, and we chose: groups that are absent from an image do not count in C_j;
    Sobel borders are replicated; a flat map has no salient pixel; inside the geometric mean no
    distance counts as less than `floor` times the image's mean.
    """

    class Config(DistillationConfig):
        weight: float = setting(3.0, "lambda", "released code", ge=0)
        balanced: bool = setting(True, "use the distribution-balanced term", "paper")
        salient: bool = setting(True, "use the salience-guided term", "paper")
        mean: Literal["geometric", "arithmetic"] = setting(
            "geometric", "mean within a group", "paper")
        salience_threshold: float = setting(0.9, "k, on the scaled gradient", "released code",
                                            ge=0, lt=1)
        group_threshold: float = setting(0.5, "delta, on the scaled map, cuts two groups",
                                         "released code", gt=0, lt=1)
        group_bins: int | None = setting(None, "cut this many equal intervals instead of two",
                                         "paper", ge=2)
        floor: float = setting(FLOOR, "least distance inside the geometric mean, as a share of the "
                               "image's mean", "ours", ge=0, lt=1)
        targets: Literal["hard", "soft"] = setting(
            "hard", "teacher's pseudo-label or its distribution", "released code")

    name = "had"
    summary = "distils with balanced groups and salient pixels (the paper's losses)"
    reference = "Zhang et al., Heterogeneity-Aware Distillation, CVPR 2026"
    grid = {"weight": [0.3, 1.0, 3.0, 6.0, 10.0], "salience_threshold": [0.5, 0.9]}

    def begin_phase(self, phase: Phase) -> None:
        if self.active:
            self.teacher.begin_phase(phase, labels=self.config.targets == "hard")

    def teacher_outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        return (self.teacher.pseudo_labels(step, tasks) if self.config.targets == "hard"
                else super().teacher_outputs(step, tasks))

    def old_loss(self, task: Task, kind: Kind, raw: Tensor, teacher: Tensor) -> Tensor:
        config = self.config
        if config.targets == "hard":
            label, distance = teacher, kind.label_distance(raw, teacher)
        else:
            label, distance = kind.pseudo_label(teacher), kind.distance(raw, teacher)
        per_image = torch.zeros_like(distance[:, 0, 0])
        if config.balanced:
            edges = self._edges()
            per_image = per_image + balanced(distance, kind.label_groups(label, edges),
                                             kind.group_count(edges), config.mean, config.floor)
        if config.salient:
            per_image = per_image + salient(distance, config.salience_threshold)
        return per_image.mean()

    def share(self, old_tasks: int) -> float:
        return float(self.config.weight) / (2 * old_tasks)

    def _edges(self) -> tuple[float, ...]:
        if bins := self.config.group_bins:
            return tuple(i / bins for i in range(1, bins))
        return (self.config.group_threshold,)


def balanced(loss: Tensor, groups: Tensor, count: int, mean: str = "geometric",
             floor: float = FLOOR) -> Tensor:
    """L_db per image [B] of a loss map [B, H, W] with group index [B, H, W] below `count`."""
    values = loss
    if mean == "geometric":
        least = floor * loss.detach().mean((1, 2), keepdim=True)
        values = torch.maximum(loss, least).clamp(min=torch.finfo(loss.dtype).tiny).log()
    index, empty = groups.flatten(1), loss.new_zeros(len(loss), count)
    pixels = empty.scatter_add(1, index, torch.ones_like(loss).flatten(1))
    means = empty.scatter_add(1, index, values.flatten(1)) / pixels.clamp(min=1)
    if mean == "geometric":
        means = means.exp()
    present = pixels > 0
    return torch.where(present, means, 0).sum(1) / present.sum(1)


def salient(loss: Tensor, threshold: float) -> Tensor:
    """L_sg per image [B]: mean of a loss map [B, H, W] where its scaled gradient is salient."""
    chosen = salient_pixels(loss.detach(), threshold)
    return (loss * chosen).sum((1, 2)) / chosen.sum((1, 2)).clamp(min=1)
