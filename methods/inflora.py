"""InfLoRA: low-rank changes that do not interfere with old tasks (Liang and Li 2024)."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmark.components.isolation import Tensors
from benchmark.components.low_rank import (
    adapted_rows,
    matrix_shapes,
    product,
    use_changes,
    weights_with,
)
from benchmark.components.projection import Projection
from benchmark.method import MethodConfig, Phase, Step, setting

ATTENTION = "kv"
_ROUNDING = 1e-12
"""Share of the largest singular value below which a direction is rounding error."""


class InfLoRA(Projection):
    """W_t = W_{t-1} + B_t A_t: the rows of A_t are fixed, outside the span of old tasks' inputs.

    A_t holds the `rank` leading left singular vectors of (I - P) X^T X, divided by sqrt 3: X are
    the layer's inputs in the new task when its phase begins, P is the projection on the inputs of
    old tasks as gpm keeps it. Only B_t, zero at first, is trained; then it is merged into W. A
    transformer is changed in the keys and values of its attention, any other backbone in all
    convolutions and linear layers, a convolution being the matrix [out, C k k] (of each group).

    Ours: the backbone is trained on the first task, frozen from then on with all else that it has
    (the paper takes pretrained weights and adapts to the first task too). The threshold rises by
    `increment` a phase (in the paper linearly to 1 at the last task, which is not known here);
    bases are kept as they are (the paper keeps those of the complement once they are smaller).
    """

    class Config(MethodConfig):
        rank: int = setting(10, "r; 0: no change of the backbone's training, plain finetuning",
                            "paper", ge=0)
        threshold: float = setting(0.95, "share of the inputs' energy to protect (epsilon)",
                                   "released code", gt=0, le=1)
        increment: float = setting(0.01, "added to the threshold after every phase", "ours", ge=0)
        images: int = setting(64, "images of a phase from which inputs are sampled", "ours", ge=1)
        positions: int = setting(256, "patches or tokens of a layer per image, on average", "ours",
                                 ge=1)

    name = "inflora"
    summary = "freezes the backbone after the first task; learns changes outside old tasks' inputs"
    family = "projection"
    reference = "Liang and Li, InfLoRA: Interference-Free Low-Rank Adaptation for Continual " \
                "Learning, CVPR 2024"
    stores = "a basis of the inputs of every changed layer"
    zero = {"rank": 0}
    grid = {"rank": [10, 30], "threshold": [0.8, 0.9, 0.95]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._down: Tensors = {}
        """A_t [groups, r, inputs] of every changed weight, by its name in the backbone."""
        self._up: dict[str, nn.Parameter] = {}
        """B_t [groups, out / groups, r]."""
        self._rows: Tensors = {}

    def factor(self, energy: Tensor) -> Tensor:
        return torch.ones_like(energy)

    @classmethod
    def edits_updates(cls) -> bool:
        """No: what is trained cannot leave the allowed space."""
        return False

    def grams(self, phase: Phase) -> dict[str, Tensor]:
        wanted = adapted_rows(phase.network.backbone, ATTENTION)
        return {name: gram for name, gram in super().grams(phase).items() if name in wanted}

    def begin_phase(self, phase: Phase) -> None:
        self._down, self._up, self._rows = {}, {}, {}
        if not self.bases:
            return
        network = phase.network
        network.freeze_backbone()
        network.eval()
        self._rows = adapted_rows(network.backbone, ATTENTION)
        shapes = matrix_shapes(network.backbone)
        for name, gram in self.grams(phase).items():
            down = free_directions(gram, self.bases[name].double(), self.config.rank).float()
            groups, outputs, _ = shapes[name]
            self._down[name] = down / 3**0.5
            self._up[name] = nn.Parameter(down.new_zeros(groups, outputs, down.shape[1]))

    def parameters(self) -> list[nn.Parameter]:
        return list(self._up.values())

    def loss(self, step: Step) -> dict[str, Tensor]:
        if self._up:
            use_changes(step, self._changes())
        return step.new_losses()

    @torch.no_grad()
    def end_phase(self, phase: Phase) -> None:
        if self._up:
            merged = weights_with(phase.network, self._changes())
            phase.network.backbone.load_state_dict(merged, strict=False)
            self._down, self._up = {}, {}
        super().end_phase(phase)

    def _changes(self) -> Tensors:
        return {name: product(up, self._down[name], self._rows[name])
                for name, up in self._up.items()}


def free_directions(gram: Tensor, bases: Tensor, rank: int) -> Tensor:
    """Leading left singular vectors, [G, r, d] with r at most `rank`, of (I - M M^T) X^T X from
    X^T X [G, d, d] and orthonormal bases M [G, d, m]; zero where there is no input outside M."""
    rest = gram - bases @ (bases.mT @ gram)
    left, values, _ = torch.linalg.svd(rest)
    left, values = left[..., :rank], values[..., :rank]
    found = values > _ROUNDING * gram.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
    vectors = left * found[..., None, :]
    free: Tensor = (vectors - bases @ (bases.mT @ vectors)).mT
    return free
