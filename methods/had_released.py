"""HAD as its released code computes it, with every difference from the paper.

Source: github.com/Deexaa/HAD (2026); the differences are listed in docs/had-released.md.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.components.distillation import Distillation, DistillationConfig
from benchmark.components.salience import sobel
from benchmark.method import setting
from benchmark.tasks import Task
from benchmark.tasks.direction.losses import unit
from benchmark.tasks.losses import Kind
from benchmark.tasks.segmentation.losses import likeliest


class HADReleased(Distillation):
    """L = L_new + weight / 2 * sum_j term_j (not divided by t - 1), all means over the batch.

    Segmentation, direction, binary and one-channel regression terms are the released ones. The
    released code has no maps of several channels: their channels' terms are averaged (ours).
    """

    class Config(DistillationConfig):
        weight: float = setting(3.0, "lambda", "released code", ge=0)
        salience_threshold: float = setting(0.9, "k, on the scaled gradient", "released code",
                                            ge=0, lt=1)
        group_threshold: float = setting(0.5, "delta, on the student's own output",
                                         "released code")

    name = "had_released"
    summary = "HAD with the losses of the authors' code"
    reference = "Zhang et al., Heterogeneity-Aware Distillation, CVPR 2026 (code)"
    grid = {"weight": [0.3, 1.0, 3.0, 6.0, 10.0, 20.0]}

    def share(self, old_tasks: int) -> float:
        return float(self.config.weight) / 2

    def old_loss(self, task: Task, kind: Kind, raw: Tensor, teacher: Tensor) -> Tensor:
        k, delta = self.config.salience_threshold, self.config.group_threshold
        if task.kind == "segmentation":
            return segmentation_term(raw, teacher, k)
        if task.kind == "direction":
            return normal_term(raw, teacher, k, delta)
        if task.kind == "binary":
            return binary_term(kind, raw, teacher)
        pairs = zip(raw.split(1, dim=1), teacher.split(1, dim=1), strict=True)
        return torch.stack([depth_term(one, other, k, delta) for one, other in pairs]).mean()


def segmentation_term(student: Tensor, teacher: Tensor, k: float) -> Tensor:
    """DB + SG from logits [B, C, H, W]: batch-wide geometric means per class, exact zeros left
    out, weighted by softmax(-class loss) over all C classes, absent ones included; SG averages
    over all pixels."""
    classes, label = student.shape[1], likeliest(teacher)
    loss = F.cross_entropy(student, label, reduction="none")
    counted = (loss != 0).to(loss.dtype)
    logarithm = torch.where(loss != 0, loss, 1).log()
    empty = loss.new_zeros(classes)
    pixels = empty.index_add(0, label.flatten(), counted.flatten())
    means = (empty.index_add(0, label.flatten(), logarithm.flatten()) / pixels.clamp(min=1)).exp()
    means = torch.where(pixels > 0, means, 0)
    balanced = ((-means.detach()).softmax(0) * means).mean()
    return balanced + (loss * edge_mask(loss, k)).mean()


def depth_term(student: Tensor, teacher: Tensor, k: float, delta: float) -> Tensor:
    """DB + SG from maps [B, 1, H, W]: groups cut the student's raw output, arithmetic means,
    summed; SG masks every image's loss with every image's mask.

    The released SG builds [B, B, H, W]; its value factorises over the images, as computed here.
    """
    loss = ((student - teacher).abs() * (teacher != 0))[:, 0]
    above, below = student[:, 0] > delta, student[:, 0] < delta
    balanced = _mean(loss, above) + _mean(loss, below)
    masks = edge_mask(loss, k).sum(0)
    count = (masks * (loss != 0).sum(0)).sum()
    return balanced + (masks * loss.sum(0)).sum() / count.clamp(min=1)


def normal_term(student: Tensor, teacher: Tensor, k: float, delta: float) -> Tensor:
    """DB + SG from vectors [B, 3, H, W]: the loss map is 1 - cos / 3; groups cut the channel mean
    of the student's unit vector, an empty one adds 1; SG divides an unmasked sum by a masked
    count."""
    guess, truth = unit(student), unit(teacher)
    product = guess * truth * (truth.sum(1, keepdim=True) != 0)
    agreement, level = product.mean(1), guess.mean(1)
    balanced = 2 - _mean(agreement, level > delta) - _mean(agreement, level < delta)
    mask = edge_mask(1 - agreement, k)[:, None]
    count = (mask * (product != 0)).sum()
    return balanced + 1 - torch.where(count > 0, product.sum() / count.clamp(min=1), 0)


def binary_term(kind: Kind, student: Tensor, teacher: Tensor) -> Tensor:
    """Twice the released term of logits [B, 1, H, W], which the released code does not halve: half
    the kind's class-balanced cross-entropy, to the teacher's logit (no probability) cut at 0.5."""
    return kind.loss(student, (teacher[:, 0] >= 0.5).to(torch.uint8))


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def edge_mask(loss: Tensor, k: float) -> Tensor:
    """0/1 mask [B, H, W] where the Sobel gradient (borders zero-padded, so that any non-zero
    border is an edge), min-max scaled per image, exceeds k; none where the gradient is flat."""
    gradient = sobel(loss.detach(), border="constant")
    low, high = gradient.amin((1, 2), keepdim=True), gradient.amax((1, 2), keepdim=True)
    return ((gradient - low) / (high - low) > k).to(loss.dtype)
