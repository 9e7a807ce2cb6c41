"""Gradient projection: updates of layers that hardly change their outputs on old inputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from benchmark.method import Method, MethodConfig, Phase, State, Step, phase_batches, setting
from benchmark.model.network import Network
from benchmark.seeds import derive

_ROUNDING = 1e-12
"""Share of the energy below which a direction is rounding error, not input."""


class ProjectionConfig(MethodConfig):
    """Settings of all projection methods."""

    strength: float = setting(1.0, "factor of the projection; 0 is finetune", "ours", ge=0, le=1)
    threshold: float = setting(0.97, "share of the inputs' energy to protect (epsilon)",
                               "released code", gt=0, le=1)
    increment: float = setting(0.003, "added to the threshold after every phase", "released code",
                               ge=0)
    images: int = setting(64, "images of the phase from which inputs are sampled", "ours", ge=1)
    positions: int = setting(256, "patches or tokens of a layer per image, on average", "ours",
                             ge=1)


class Projection(Method):
    """W = W_before + d - strength * d P for every convolution and linear layer of the backbone.

    d is what the optimiser applied (momentum, Adam's scaling, weight decay), as rows over a
    layer's inputs; P = M diag(lambda) M^T, M [inputs, r] an orthonormal basis of the inputs of old
    tasks. At the end of a phase M grows by principal directions of the inputs outside its span,
    as few as cover with it the share `threshold` of the energy. A subclass defines `factor`, which
    gives lambda.

    Inputs are the patches of the layer's own kernel, stride, padding and dilation (every group of
    channels has its own M), or tokens. All other parameters of the backbone (biases,
    norms, embeddings) keep `1 - strength` of their step, and batch norm is frozen altogether, from
    the second phase on. Heads are not protected. Layers that pad or standardise by themselves
    (TensorFlow's padding, weight standardisation) are protected as if they did not.
    """

    family = "projection"
    stores = "a basis of the inputs of every backbone layer, one factor per basis vector"
    zero = {"strength": 0.0}
    Config = ProjectionConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.bases: dict[str, Tensor] = {}
        """M [groups, inputs, r] of each weight, by its name in the backbone."""
        self.factors: dict[str, Tensor] = {}
        """lambda [groups, r]; a group with fewer directions has zero vectors at the end."""

    @abstractmethod
    def factor(self, energy: Tensor) -> Tensor:
        """lambda in [0, 1] of directions from their energy >= 0, each [groups, r]."""

    def before_backbone_change(self, network: Network) -> None:
        self.bases, self.factors = {}, {}

    def begin_phase(self, phase: Phase) -> None:
        if self.bases:
            phase.network.freeze_statistics(affine=True)

    def edit_update(self, step: Step, before: Mapping[str, Tensor]) -> None:
        if not self.bases:
            return
        live: dict[str, Tensor] = {**step.network.trainable_backbone()}
        old = {name: before[f"backbone.{name}"] for name in live}
        others = [name for name in live if name not in self.bases]
        layers = [name for name in live if name in self.bases]
        if others:
            torch._foreach_lerp_([live[name] for name in others], [old[name] for name in others],
                                 self.config.strength)
        if layers:
            weights, starts = [live[name] for name in layers], [old[name] for name in layers]
            updates = torch._foreach_sub(weights, starts)
            removed = [project(update, self.bases[name], self.factors[name])
                       for name, update in zip(layers, updates, strict=True)]
            torch._foreach_sub_(updates, removed, alpha=self.config.strength)
            torch._foreach_copy_(weights, torch._foreach_add(starts, updates))

    def end_phase(self, phase: Phase) -> None:
        if not self.active:
            return
        config = self.config
        share = min(config.threshold + config.increment * (phase.number - 1), 1.0)
        for name, gram in gram_matrices(phase, config.images, config.positions).items():
            groups, inputs, _ = gram.shape
            old = self.bases.get(name, gram.new_zeros(groups, inputs, 0)).double()
            old_factors = self.factors.get(name, gram.new_zeros(groups, 0))
            bases, energy = extend_bases(gram, old, share)
            factors = self.factor(energy)
            factors[:, :old_factors.shape[1]] += old_factors
            self.bases[name], self.factors[name] = _packed(bases, factors.clamp(0, 1))

    def state_dict(self) -> State:
        return {"bases": dict(self.bases), "factors": dict(self.factors)}

    def load_state_dict(self, state: State) -> None:
        self.bases, self.factors = dict(state["bases"]), dict(state["factors"])


def project(update: Tensor, bases: Tensor, factors: Tensor) -> Tensor:
    """Projection d M diag(lambda) M^T of a weight's update d [out, in / groups, ...], in its shape,
    with bases M [groups, inputs, r] and factors lambda [groups, r]."""
    groups, inputs, _ = bases.shape
    rows = update.reshape(groups, -1, inputs)
    return (rows @ bases * factors[:, None] @ bases.mT).view_as(update)


def extend_bases(gram: Tensor, bases: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Bases [G, d, r + d] that cover `share` of the energy in Gram matrices [G, d, d], and the
    energy [G, r + d] along each vector; the first r span the same space as `bases` [G, d, r].

    Directions are added in order of their energy outside the old span, as few as are needed (none
    where there is no input at all); the vectors that are not needed are zero.
    """
    # Bases come from single precision: one Newton-Schulz step makes them orthonormal in double.
    old = 1.5 * bases - 0.5 * bases @ (bases.mT @ bases)
    known = (gram @ old * old).sum(-2).clamp(min=0)
    outside = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device) - old @ old.mT
    energy, vectors = torch.linalg.eigh(outside @ gram @ outside)
    energy, vectors = energy.flip(-1).clamp(min=0), vectors.flip(-1)
    total = gram.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
    covered = known.sum(-1, keepdim=True) + energy.cumsum(-1) - energy
    added = (covered < share * total) & (energy > _ROUNDING * total)
    return (torch.cat([old, vectors * added[:, None]], -1),
            torch.cat([known, energy * added], -1))


def _packed(bases: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """Bases and factors in single precision, without the zero vectors; those that remain, since
    another group has more directions, are at the end of their group."""
    present = bases.any(-2)
    rank = int(present.sum(-1).max())
    order = present.int().argsort(dim=-1, descending=True, stable=True)[:, :rank]
    return (bases.take_along_dim(order[:, None], -1).float(),
            factors.take_along_dim(order, -1).float())


@torch.no_grad()
def gram_matrices(phase: Phase, images: int, positions: int) -> dict[str, Tensor]:
    """X^T X [groups, d, d] in float64 of each layer's inputs, by its weight's name in the backbone.

    Inputs are sampled from `images` of the phase, evenly spread, at random: per image about
    `positions` (all, where there are fewer). A layer whose module is not called has no entry.
    """
    grams: dict[str, Tensor] = {}
    network, device = phase.network, phase.network.mean.device
    generator = Generator().manual_seed(derive(network.seed, "projection", phase.number))
    count = 0

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def add_inputs(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            rows = layer_inputs(layer, inputs[0], positions * count, generator).double()
            grams[name] = grams.get(name, 0) + rows.mT @ rows
        return add_inputs

    handles = [layer.register_forward_pre_hook(hook(f"{name}.weight"))
               for name, layer in network.backbone.named_modules()
               if isinstance(layer, nn.Conv2d | nn.Linear)]
    chosen = torch.linspace(0, len(phase.data) - 1, min(images, len(phase.data))).round().long()
    chosen = chosen.to(device)
    try:
        for step in phase_batches(phase, network.recipe.batch):
            selected = step.images[torch.isin(step.batch.positions, chosen)]
            if count := len(selected):
                network.encode(selected)
    finally:
        for handle in handles:
            handle.remove()
    return grams


def layer_inputs(layer: nn.Module, inputs: Tensor, count: int, generator: Generator) -> Tensor:
    """The inputs of `count` random outputs of a layer (of all, if it has fewer), as rows
    [groups, count, d] in the order of the layer's weight [groups * out, d]."""
    if not isinstance(layer, nn.Conv2d):
        rows = inputs.flatten(0, -2)
        return rows[_random_indices(len(rows), count, generator, rows.device)][None]
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(inputs, layer._reversed_padding_repeated_twice, mode).movedim(1, -1)
    down, across = (torch.arange(size, device=inputs.device) * dilation
                    for size, dilation in zip(layer.kernel_size, layer.dilation, strict=True))
    height = (padded.shape[1] - int(down[-1]) - 1) // layer.stride[0] + 1
    width = (padded.shape[2] - int(across[-1]) - 1) // layer.stride[1] + 1
    index = _random_indices(len(inputs) * height * width, count, generator, inputs.device)
    index = index[:, None, None]
    image, top, left = index // (height * width), index // width % height, index % width
    patches = padded[image, top * layer.stride[0] + down[:, None], left * layer.stride[1] + across]
    rows = patches.movedim(-1, 1).reshape(len(index), layer.groups, -1)
    return rows.transpose(0, 1)


def _random_indices(total: int, count: int, generator: Generator, device: torch.device) -> Tensor:
    """At most `count` different numbers below `total`, at random."""
    return torch.randperm(total, generator=generator)[:count].to(device)
