"""HeteroAKD's hybrid knowledge (Huang et al. 2025, Eqs. 5-10) for tasks of all kinds.

Shapes: z are projected features [B, K, h, w], one channel per class (a binary task has two) or per
channel of a map; targets are as `benchmark.tasks.Task` defines them, at feature resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.model.heads import upsample
from benchmark.model.network import Network
from benchmark.seeds import derive, isolated
from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of

Axis = Literal["space", "classes"]
"""What the emphasis W is a softmax over; maps have no classes, theirs is always over space."""


def reliability(task: Task, z: Tensor, target: Tensor) -> Tensor:
    """H(z), the lower the better: one-vs-rest cross-entropy of sigmoid(z) against the label of
    each class [B, K, h, w] (Eq. 5); for maps the task's own loss per pixel [B, 1, h, w]."""
    kind = kind_of(task)
    if count := kind.class_count:
        index = torch.arange(count, device=z.device).view(1, -1, 1, 1)
        truth = (target[:, None] == index).to(z.dtype)
        return F.binary_cross_entropy_with_logits(z, truth, reduction="none")
    return kind.loss_map(z, target)[:, None]


def mixed(teacher: Tensor, student: Tensor, teacher_h: Tensor, student_h: Tensor) -> Tensor:
    """z_hyb = S z_t + (1 - S) z_s with S = 1 - H_t / (H_t + H_s) (Eqs. 6-7); S = 1/2 where both
    are 0."""
    total = teacher_h + student_h
    share = torch.where(total > 0, 1 - teacher_h / total.clamp(min=torch.finfo(total.dtype).tiny),
                        0.5)
    return share * teacher + (1 - share) * student


def emphasis(student_h: Tensor, hybrid_h: Tensor, valid: Tensor, axis: Axis) -> Tensor:
    """W = softmax(H_s + max(0, H_s - H_hyb)) (Eqs. 8-9) over the classes or the valid pixels
    [B, h, w], times their number, so that its mean is 1 (ours: the loss's scale depends neither
    on how many classes nor on how many pixels there are)."""
    gain = student_h + (student_h - hybrid_h).clamp(min=0)
    if axis == "classes":
        return gain.softmax(1) * gain.shape[1]
    pixels = valid[:, None].expand_as(gain).flatten(2)
    weights = gain.flatten(2).masked_fill(~pixels, torch.finfo(gain.dtype).min).softmax(2)
    return (weights * pixels.sum(2, keepdim=True)).view_as(gain)


def hybrid_loss(task: Task, teacher: Tensor, student: Tensor, target: Tensor, axis: Axis,
                temperature: float) -> Tensor:
    """L_hakd, the mean over valid pixels of sum_c W_c softmax(z_hyb / T)_c times
    -log softmax(z_s / T)_c (Eq. 10); for maps, of W times the task's distance between z_s and
    z_hyb. z_hyb and W are held fixed."""
    kind = kind_of(task)
    valid, distributed = kind.valid(target), kind.class_count > 0
    if not distributed:  # unit vectors mix, vectors of any length do not
        teacher, student = kind.prediction(teacher), kind.prediction(student)
    with torch.no_grad():
        student_h = reliability(task, student, target)
        hybrid = mixed(teacher, student, reliability(task, teacher, target), student_h)
        weight = emphasis(student_h, reliability(task, hybrid, target), valid,
                          axis if distributed else "space")
    if distributed:
        loss = -(hybrid / temperature).softmax(1) * (student / temperature).log_softmax(1)
    else:
        loss = kind.distance(student, hybrid)[:, None]
    return _mean((weight * loss).sum(1), valid)


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of [B, h, w] over valid pixels; 0 when there is none."""
    return (values * valid).sum() / valid.sum().clamp(min=1)


class Alignment(nn.Module):
    """Projects last features of teacher and student to one task's aligned space.

    1x1 convolution, batch norm, ReLU; without ReLU for maps, whose values may be negative (ours).
    """

    def __init__(self, task: Task, teacher_channels: int, student_channels: int) -> None:
        super().__init__()
        self.task = task
        self.teacher, self.student = (self._projection(channels)
                                      for channels in (teacher_channels, student_channels))

    def _projection(self, channels: int) -> nn.Sequential:
        wanted = kind_of(self.task).class_count
        width = wanted or self.task.channels
        return nn.Sequential(nn.Conv2d(channels, width, 1, bias=False),
                             nn.BatchNorm2d(width, track_running_stats=False),
                             nn.ReLU() if wanted else nn.Identity())

    def forward(self, teacher: Tensor, student: Tensor, target: Tensor, axis: Axis,
                temperature: float) -> tuple[Tensor, Tensor]:
        """L_hakd, and the loss that trains the projections themselves (ours): the mean of H over
        both, the features held fixed. Features are [B, C, h, w], the target of any size."""
        kind, size = kind_of(self.task), (student.shape[-2], student.shape[-1])
        target, teacher_z = kind.resize(target, size), upsample(self.teacher(teacher), size)
        hybrid = hybrid_loss(self.task, teacher_z.detach(), self.student(student).float(), target,
                             axis, temperature)
        valid = kind.valid(target)
        student_z = self.student(student.detach()).float()
        aligned = [_mean(reliability(self.task, z, target).mean(1), valid)
                   for z in (teacher_z, student_z)]
        return hybrid, (aligned[0] + aligned[1]) / 2


def alignments(tasks: Sequence[Task], teacher_channels: int, network: Network,
               phase: int) -> nn.ModuleDict:
    """One alignment per task between a teacher's features and a network's, made from the seed."""
    with isolated(derive(network.seed, "alignment", phase)):
        made = {task.name: Alignment(task, teacher_channels, network.backbone.channels)
                for task in tasks}
    return nn.ModuleDict(made).to(network.mean.device)
