"""LoRA: low-rank changes of a frozen backbone (Hu et al. 2022), one set per task."""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.components.isolation import Adapters, Tensors
from benchmark.method import MethodConfig, setting


class LoRA(Adapters):
    """W_k = W + alpha / r * B_k A_k, reshaped to W: task k trains only A_k, B_k and norms.

    A convolution with kernel k from C to C' channels in g groups has A [r k, C k] and
    B [C' k / g, r k], as in the authors' code (ConvLoRA); a linear layer has A [r, C], B [C', r].
    A is initialised as a layer's weights are, B with zeros; biases stay frozen. Ours: the backbone
    is trained on the first task, frozen from then on; all its convolutions and linear layers have
    A and B; norms are trained per task and start as the first task's; A has no more rows than the
    product has rows or columns (groups). A and B have no learning rate of their own; alpha serves.
    """

    class Config(MethodConfig):
        rank: int = setting(8, "r; 0: no isolation at all, plain finetuning", "paper", ge=0)
        alpha: float = setting(8.0, "factor of the change is alpha / r", "paper", gt=0)
        start: Literal["after_first", "first"] = setting(
            "after_first", "freeze the backbone after the first phase, or before it", "ours")

    name = "lora"
    summary = "freezes the backbone after the first task; later ones learn low-rank changes of it"
    reference = "Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022"
    stores = "low-rank matrices and normalisation layers of every task"
    zero = {"rank": 0}
    grid = {"rank": [4, 8, 16], "alpha": [8.0, 32.0]}
    adapter_names = ("lora_A", "lora_B")

    def new_adapters(self, layer: nn.Conv2d | nn.Linear) -> Tensors:
        high, wide = layer.kernel_size if isinstance(layer, nn.Conv2d) else (1, 1)
        rows = len(layer.weight) // getattr(layer, "groups", 1) * high
        columns = layer.weight.numel() // rows
        inner = min(self.config.rank * max(high, wide), rows, columns)
        first = torch.empty(inner, columns)
        nn.init.kaiming_uniform_(first, a=math.sqrt(5))
        return {"lora_A": first, "lora_B": torch.zeros(rows, inner)}

    def adapt(self, layer: nn.Conv2d | nn.Linear, adapters: Mapping[str, Tensor]) -> Tensors:
        change = adapters["lora_B"] @ adapters["lora_A"]
        scale = self.config.alpha / self.config.rank
        return {"weight": layer.weight + scale * change.view_as(layer.weight)}
