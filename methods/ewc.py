"""EWC: Elastic Weight Consolidation (Kirkpatrick et al. 2017), online (Schwarz et al. 2018)."""

import torch

from benchmark.importance import Importance, Parameters, mean_one
from benchmark.method import MethodConfig, Phase, kinds, own_images, setting


class EWC(Importance):
    """L = L_new + weight / 2 * sum_i F_i (theta_i - theta*_i)^2 over the backbone's parameters.

    F is the diagonal of the empirical Fisher (true labels, squared gradients of single images,
    network in eval mode), divided by its mean so that tasks of different units add up; it decays
    by gamma when a new task's is added. Published weights do not carry over: estimators differ by
    powers of batch size and pixel count. Running statistics of batch norm are not protected; see
    recipe.batch_norm.
    """

    class Config(MethodConfig):
        weight: float = setting(100.0, "factor of the quadratic penalty (lambda)", "ours", ge=0)
        gamma: float = setting(1.0, "decay of the older tasks' importance", "released code",
                               ge=0, le=1)

    name = "ewc"
    summary = "holds parameters back by their importance for old tasks"
    reference = "Kirkpatrick et al. 2017; Schwarz et al. 2018 (online)"
    grid = {"weight": [1.0, 10.0, 100.0, 1000.0, 10000.0]}

    def gamma(self) -> float:
        return float(self.config.gamma)

    def importance(self, phase: Phase) -> Parameters:
        parameters = {name: value for name, value in phase.network.backbone.named_parameters()
                      if value.requires_grad}
        sums = {name: torch.zeros_like(value) for name, value in parameters.items()}
        for step in own_images(phase, size=1):
            for task, kind in kinds(phase.tasks):
                loss = kind.loss(step.output(task), step.batch.targets[task.name])
                gradients = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True)
                for total, gradient in zip(sums.values(), gradients, strict=True):
                    total += gradient.square()
        return mean_one(sums)
