"""MAS: Memory Aware Synapses (Aljundi et al. 2018), for any dense task."""

from torch import Tensor

from benchmark.components.importance import Importance, Parameters, gradient_importance
from benchmark.method import MethodConfig, Phase, Step, setting
from benchmark.tasks import Task


class MAS(Importance):
    """L = L_new + weight / 2 * sum_i Omega_i (theta_i - theta*_i)^2 over the backbone's parameters.

    Omega_i is the mean over images of |d S / d theta_i|, S the mean over pixels of the squared
    norm of the raw output: no labels are needed. Raw outputs, since a unit vector's norm never
    changes (ours; the paper has classifiers). It is divided by its mean, so that tasks of
    different units add up.
    """

    class Config(MethodConfig):
        weight: float = setting(100.0, "factor of the quadratic penalty (lambda)", "ours", ge=0)
        gamma: float = setting(1.0, "decay of the older tasks' importance", "paper", ge=0, le=1)

    name = "mas"
    summary = "holds parameters back by how much they move the outputs"
    reference = "Aljundi et al., Memory Aware Synapses, ECCV 2018"
    grid = {"weight": [1.0, 10.0, 100.0, 1000.0, 10000.0]}

    def importance(self, phase: Phase) -> Parameters:
        return gradient_importance(phase, _squared_norm, Tensor.abs)


def _squared_norm(step: Step, task: Task) -> Tensor:
    return step.output(task).square().sum(1).mean()
