"""Task arithmetic: the networks of all tasks, added up (Ilharco et al. 2023)."""

import torch

from benchmark.components.isolation import Tensors
from benchmark.components.merging import ExpertMerging, MergingConfig, initial_parameters
from benchmark.method import Phase, setting


class TaskArithmetic(ExpertMerging):
    """theta = theta_0 + scale * sum_k (theta_k - theta_0), theta_k those of `separate`.

    One backbone predicts all tasks; the bound keeps those of all tasks, to merge them. Heads are a
    task's own and not merged. Ours: the merged backbone's running statistics are computed anew on
    the phase's images; theta_0 are the initial weights, pretrained in the paper.
    """

    class Config(MergingConfig):
        scale: float = setting(0.3, "factor of the sum (lambda)", "paper", gt=0)

    name = "task_arithmetic"
    summary = "adds up the changes of one network per task"
    reference = "Ilharco et al., Editing Models with Task Arithmetic, ICLR 2023"

    @torch.no_grad()
    def merge(self, phase: Phase, trained: Tensors) -> Tensors:
        self.add_experts(phase)
        initial = initial_parameters(phase.network)
        vectors = self.task_vectors(initial)
        return {name: value + self.config.scale * sum(vector[name] for vector in vectors)
                for name, value in initial.items()}
