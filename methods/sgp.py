"""SGP: Scaled Gradient Projection (Saha and Roy 2023), applied to the step."""

import torch
from torch import Tensor

from benchmark.components.projection import Projection, ProjectionConfig
from benchmark.method import setting


class SGP(Projection):
    """W = W_before + d - strength * d M diag(lambda) M^T: small steps along old tasks' inputs.

    lambda_i = (a + 1) s_i / (a s_i + max s), s_i the root of the inputs' energy along direction i;
    the factor of an old direction grows by that of the new task's inputs, up to 1. GPM is the limit
    of large a. All else as in gpm: d is the step the optimiser applied, weight decay
    included (ours; the paper projects the gradient of plain SGD).
    """

    class Config(ProjectionConfig):
        scale: float = setting(10.0, "a, higher protects more", "released code", ge=0)

    name = "sgp"
    summary = "scales steps down along old tasks' layer inputs, by how much they matter"
    reference = "Saha and Roy, Continual Learning with Scaled Gradient Projection, AAAI 2023"
    grid = {"threshold": [0.9, 0.95, 0.97, 0.99], "scale": [1.0, 3.0, 10.0, 30.0]}

    def factor(self, energy: Tensor) -> Tensor:
        s, a = energy.sqrt(), float(self.config.scale)
        least = torch.finfo(s.dtype).tiny
        return (a + 1) * s / (a * s + s.amax(-1, keepdim=True)).clamp(min=least)
