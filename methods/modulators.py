"""Modulators: RCM, reparameterised convolutions for multiple tasks (Kanakis et al. 2020)."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.components.isolation import Adapters, Tensors
from benchmark.method import MethodConfig, setting


class Modulators(Adapters):
    """W_k = M_k W: a frozen convolution W, and after it a 1x1 convolution M_k of task k alone.

    M W is the product over output channels, and biases turn into M b. M starts as the identity.
    With `normalised`, row i of M is g_i v_i / |v_i| with trained g and v (the paper's NFF). In a
    grouped convolution M has one block per group (one factor per channel, if depthwise), as in the
    released code.

    Ours: the backbone is trained on the first task, frozen from then on, and stays as it was
    trained (the paper takes ImageNet weights, and rotates W to the principal directions of its
    responses); norms, trained per task as in the paper, start as the first task's; linear layers
    are modulated too; other 1x1 convolutions are shared (in the released code, the shortcuts are
    the task's own).
    """

    class Config(MethodConfig):
        layers: Literal["spatial", "all", "none"] = setting(
            "spatial", "modulate convolutions of kernel > 1 and linear layers, or 1x1 "
            "convolutions too; none: no isolation at all, plain finetuning", "paper")
        normalised: bool = setting(True, "normalise the rows of a modulator", "paper")
        start: Literal["after_first", "first"] = setting(
            "after_first", "freeze the backbone after the first phase, or before it", "ours")

    name = "modulators"
    summary = "freezes the backbone after the first task; later ones modulate its layers"
    reference = "Kanakis et al., Reparameterizing Convolutions for Incremental MTL, ECCV 2020"
    stores = "modulators and normalisation layers of every task"
    zero = {"layers": "none"}
    grid = {"layers": ["spatial", "all"], "normalised": [True, False]}
    adapter_names = ("modulator", "gain")

    def new_adapters(self, layer: nn.Conv2d | nn.Linear) -> Tensors:
        pointwise = isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)
        if pointwise and self.config.layers == "spatial":
            return {}
        groups = getattr(layer, "groups", 1)
        modulator = torch.eye(len(layer.weight) // groups).repeat(groups, 1, 1)
        if not self.config.normalised:
            return {"modulator": modulator}
        return {"modulator": modulator, "gain": torch.ones(*modulator.shape[:2], 1)}

    def adapt(self, layer: nn.Conv2d | nn.Linear, adapters: Mapping[str, Tensor]) -> Tensors:
        modulator = adapters["modulator"]
        if "gain" in adapters:
            modulator = adapters["gain"] * F.normalize(modulator, dim=2)
        groups, channels, _ = modulator.shape
        return {name: (modulator @ value.view(groups, channels, -1)).view_as(value)
                for name, value in layer.named_parameters() if name in ("weight", "bias")}
