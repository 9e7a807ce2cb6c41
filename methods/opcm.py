"""OPCM: orthogonal projection of task vectors onto what is merged so far (Tang et al. 2025)."""

from typing import Any

import torch
from torch import Tensor

from benchmark.components.isolation import Tensors, layers
from benchmark.components.merging import Merging, MergingConfig, initial_parameters
from benchmark.method import Phase, State, setting


class OPCM(Merging):
    """theta = theta_0 + (lambda_{t-1} M_{t-1} + P(tau_t)) / lambda_t, every phase from theta_0.

    tau_t = theta_t - theta_0, M_{t-1} the merged change so far. For each convolution and linear
    layer, as a matrix [out, inputs], P takes out of tau_t what M_{t-1} = U S V^T holds already: in
    the basis of U and V, the diagonal and the block of the first r rows and columns, r being the
    fewest singular values whose sum exceeds the share `alpha` of all. The changes of other
    parameters are added as they are. lambda_t gives M_t, all parameters together, the mean norm of
    the task vectors so far.

    Heads are a task's own and not merged. Ours: the merged backbone's running statistics are
    computed anew on the phase's images (the paper's transformers have none). The live network holds
    M_{t-1}, so nothing but the numbers lambda and the norms are carried.
    """

    class Config(MergingConfig):
        merge: bool = setting(True, "merge at all; false: plain finetuning", "ours")
        alpha: float = setting(0.5, "share of the singular values whose directions are protected",
                               "paper", ge=0, lt=1)

    name = "opcm"
    summary = "merges each phase's change, orthogonal to what is merged so far"
    reference = "Tang et al., Merging Models on the Fly Without Retraining, arXiv 2501.09522, 2025"
    stores = "nothing but the network, two numbers"
    grid = {"alpha": [0.25, 0.5, 0.75], "realign_epochs": [0, 2]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._scale = 1.0
        """lambda_{t-1}."""
        self._mean_norm = 0.0
        """Mean norm of the task vectors so far."""

    def forget(self) -> None:
        self._scale, self._mean_norm = 1.0, 0.0

    def start(self, phase: Phase) -> None:
        phase.network.reset_backbone()

    @torch.no_grad()
    def merge(self, phase: Phase, trained: Tensors) -> Tensors:
        initial = initial_parameters(phase.network)
        change = {name: value - initial[name] for name, value in trained.items()}
        self._mean_norm += (norm_of(change) - self._mean_norm) / self.phases
        if not self.previous:
            return trained
        matrices = {f"{name}.weight" for name, _ in layers(phase.network.backbone)}
        total: Tensors = {}
        for name, added in change.items():
            merged = self.previous[name] - initial[name]
            if name in matrices:
                rest = cleaned(added.flatten(1), merged.flatten(1), self.config.alpha)
                added = rest.view_as(added)
            total[name] = self._scale * merged + added
        self._scale = norm_of(total) / self._mean_norm
        return {name: initial[name] + value / self._scale for name, value in total.items()}

    def state_dict(self) -> State:
        return super().state_dict() | {"scale": self._scale, "norm": self._mean_norm}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._scale, self._mean_norm = state["scale"], state["norm"]


def cleaned(change: Tensor, merged: Tensor, alpha: float) -> Tensor:
    """P(tau): a matrix [m, n] without what the matrix `merged` [m, n] holds already.

    With merged = U S V^T, taken out are the diagonal of U^T tau V and its block of the first r rows
    and columns, r the fewest singular values whose sum exceeds the share `alpha` of all.
    """
    left, values, right = torch.linalg.svd(merged, full_matrices=False)
    protected = min(int((values.cumsum(0) <= alpha * values.sum()).sum()) + 1, len(values))
    within = left.mT @ change @ right.mT
    held = within.diagonal().diag()
    held[:protected, :protected] = within[:protected, :protected]
    rest: Tensor = change - left @ held @ right
    return rest


def norm_of(parameters: Tensors) -> float:
    """Euclidean norm of all parameters together."""
    norms = [torch.linalg.vector_norm(value) for value in parameters.values()]
    return float(torch.linalg.vector_norm(torch.stack(norms)))
