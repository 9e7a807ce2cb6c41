"""GPM: Gradient Projection Memory (Saha et al. 2021), applied to the step."""

import torch
from torch import Tensor

from benchmark.components.projection import Projection


class GPM(Projection):
    """W = W_before + d - strength * d M M^T: no step inside the span of old tasks' inputs.

    d is the step the optimiser applied, not the gradient: Adam would undo a projection of the
    gradient, and weight decay would evade it (ours; the paper has plain SGD). M takes the fewest
    principal directions, at least one, that reach the threshold (the released code stops one
    short); they come from Gram matrices of inputs at sampled positions, the same directions as the
    paper's SVD of all of them. Biases, norms and embeddings stop after the first phase and batch
    norm uses its statistics from then on (the released code: no running statistics). A strength
    below 1 is ours.
    """

    name = "gpm"
    summary = "projects steps out of the space of old tasks' layer inputs"
    reference = "Saha et al., Gradient Projection Memory for Continual Learning, ICLR 2021"
    grid = {"threshold": [0.8, 0.9, 0.95, 0.97, 0.98, 0.99]}

    def factor(self, energy: Tensor) -> Tensor:
        return torch.ones_like(energy)
