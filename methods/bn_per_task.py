"""Batch norm per task: shared convolutions are finetuned, every task keeps its own norms."""

from typing import Literal

from benchmark.components.isolation import (
    Isolation,
    Tensors,
    estimate_statistics,
    norm_states,
    running_statistics,
)
from benchmark.method import MethodConfig, Phase, setting


class BNPerTask(Isolation):
    """Task k predicts with the live convolutions and the norms it had at the end of its phase.

    Convolutions and norms are finetuned as usual, norms start from those of the phase before. Norm
    layers of other kinds, which have no statistics, count as well. With `reestimate`, at the end of
    each phase the statistics of older tasks are computed anew, under the live convolutions and the
    task's own scales and shifts, on the phase's images (no labels). Ours throughout; norms per
    task are Bilen and Vedaldi's (for domains), new statistics are Li et al.'s.
    """

    class Config(MethodConfig):
        keep: Literal["all", "statistics", "none"] = setting(
            "all", "what a task keeps: scale, shift and statistics, or statistics only; none: "
            "plain finetuning", "ours")
        reestimate: bool = setting(False, "compute the statistics of older tasks anew", "ours")

    name = "bn_per_task"
    summary = "finetunes shared convolutions; every task keeps its normalisation layers"
    reference = "Bilen and Vedaldi 2017 (norms per domain); Li et al. 2017 (AdaBN)"
    stores = "normalisation layers of every task"
    zero = {"keep": "none"}
    grid = {"keep": ["all", "statistics"], "reestimate": [False, True]}

    def part(self, phase: Phase) -> Tensors:
        backbone = phase.network.backbone
        return (norm_states(backbone) if self.config.keep == "all"
                else running_statistics(backbone))

    def end_phase(self, phase: Phase) -> None:
        super().end_phase(phase)
        if self.config.reestimate:
            new = {task.name for task in phase.tasks}
            for task, part in self.current.parts.items():
                if task not in new:
                    part |= estimate_statistics(phase, part)
