"""Slow float64 references for the HAD losses: plain loops over images and pixels.

The first half is the paper (arXiv 2603.26192), the second half what its released code computes.
Maps are numpy arrays: losses and groups [B, H, W], network outputs [B, C, H, W]. Each function
says what it returns; nothing here is meant to be fast or differentiable.
"""

from __future__ import annotations

import math

import numpy as np

FLOOR = 0.01  # least loss inside a logarithm, in means of the image: a perfect pixel is no zero


def mean(values):
    return sum(values) / len(values)


def pixels(height, width):
    return [(r, c) for r in range(height) for c in range(width)]


# Shared by both halves -------------------------------------------------------------------------


def gradient_magnitude(image, padding):
    """Sobel magnitude of one map [H, W]; outside it lies the nearest pixel or zero."""
    height, width = image.shape

    def value(r, c):
        if padding == "replicate":
            return float(image[min(max(r, 0), height - 1), min(max(c, 0), width - 1)])
        inside = 0 <= r < height and 0 <= c < width
        return float(image[r, c]) if inside else 0.0

    result = np.zeros((height, width))
    for r, c in pixels(height, width):
        across = down = 0.0
        # Differences first: neighbours of equal value cancel exactly.
        for offset, weight in ((-1, 1.0), (0, 2.0), (1, 1.0)):
            across += weight * (value(r + offset, c + 1) - value(r + offset, c - 1))
            down += weight * (value(r + 1, c + offset) - value(r - 1, c + offset))
        result[r, c] = math.sqrt(across**2 + down**2)
    return result


def scaled_gradient(image, padding):
    """Sobel magnitude brought to [0, 1]; None where it is the same everywhere."""
    magnitude = gradient_magnitude(image, padding)
    low, high = magnitude.min(), magnitude.max()
    return None if low == high else (magnitude - low) / (high - low)


def salient_pixels(image, threshold, padding):
    """Pixels (r, c) of one map whose scaled gradient is strictly above the threshold."""
    scaled = scaled_gradient(image, padding)
    if scaled is None:
        return []
    return [(r, c) for r, c in pixels(*image.shape) if scaled[r, c] > threshold]


def log_probability(logits, c):
    """log softmax of one pixel's logits [C] at class c."""
    top = max(float(z) for z in logits)
    return float(logits[c]) - top - math.log(sum(math.exp(float(z) - top) for z in logits))


def unit(vector):
    return np.asarray(vector, dtype=float) / math.sqrt(sum(float(v) ** 2 for v in vector))


def dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def per_pixel(function, student, teacher):
    """Map [B, H, W] of function(student's channels, teacher's channels) at each pixel."""
    batch, _, height, width = student.shape
    result = np.zeros((batch, height, width))
    for b in range(batch):
        for r, c in pixels(height, width):
            result[b, r, c] = function(student[b, :, r, c], teacher[b, :, r, c])
    return result


def class_groups(teacher):
    """Group of a pixel = the teacher's class (the first one where classes tie)."""
    return per_pixel(lambda _, t: int(np.argmax(t)), teacher, teacher).astype(int)


# Loss maps [B, H, W] between two raw outputs


def hard_label_map(student, teacher):
    return per_pixel(lambda s, t: -log_probability(s, int(np.argmax(t))), student, teacher)


def soft_label_map(student, teacher):
    def cross_entropy(s, t):
        return sum(-math.exp(log_probability(t, c)) * log_probability(s, c) for c in range(len(s)))

    return per_pixel(cross_entropy, student, teacher)


def l1_map(student, teacher):
    return per_pixel(lambda s, t: mean([abs(float(a - b)) for a, b in zip(s, t, strict=True)]),
                     student, teacher)


def cosine_map(student, teacher):
    return per_pixel(lambda s, t: 1.0 - dot(unit(s), unit(t)), student, teacher)


# The paper -------------------------------------------------------------------------------------


def balanced(loss, groups, count, kind):
    """Per image: arithmetic mean over the groups present of each group's own mean loss."""
    result = []
    for image, labels in zip(loss, groups, strict=True):
        means = []
        least = FLOOR * mean([float(value) for value in np.ravel(image)])
        for group in range(count):
            members = [float(image[p]) for p in pixels(*image.shape) if labels[p] == group]
            if not members:
                continue
            if kind == "geometric":
                floored = [max(value, least) for value in members]
                means.append(math.exp(mean([math.log(v) for v in floored])) if least else 0.0)
            else:
                means.append(mean(members))
        result.append(mean(means))
    return np.array(result)


def salient(loss, threshold):
    """Per image: mean loss over the salient pixels; 0 when there are none."""
    result = []
    for image in loss:
        chosen = salient_pixels(image, threshold, "replicate")
        result.append(mean([float(image[p]) for p in chosen]) if chosen else 0.0)
    return np.array(result)


def distance_to_threshold(loss, threshold):
    """How far the closest pixel is from changing sides in `salient`."""
    maps = [scaled_gradient(image, "replicate") for image in loss]
    return min((float(np.abs(m - threshold).min()) for m in maps if m is not None), default=1.0)


def _scaled_channel_mean(image):
    """Channel mean [H, W] of one teacher output [C, H, W] in [0, 1]; a flat one is all 0."""
    channels, height, width = image.shape
    result = np.zeros((height, width))
    for r, c in pixels(height, width):
        result[r, c] = mean([float(image[k, r, c]) for k in range(channels)])
    low, high = result.min(), result.max()
    return np.zeros((height, width)) if low == high else (result - low) / (high - low)


def threshold_groups(teacher, delta):
    """Group 1 where the teacher's scaled channel mean is above delta, else group 0."""
    return np.stack([(_scaled_channel_mean(image) > delta).astype(int) for image in teacher])


def bin_groups(teacher, bins):
    """K equal-width bins of the scaled channel mean; the maximum belongs to the last bin."""
    result = np.zeros((len(teacher), *teacher.shape[2:]), dtype=int)
    for b, image in enumerate(teacher):
        scaled = _scaled_channel_mean(image)
        for p in pixels(*scaled.shape):
            result[b][p] = min(math.floor(scaled[p] * bins), bins - 1)
    return result


def had_term(loss, groups, count, threshold, kind="geometric"):
    """Mean over images of balanced + salient."""
    return float(mean(list(balanced(loss, groups, count, kind) + salient(loss, threshold))))


def combine(terms, weight):
    """What the t-1 old tasks add to the loss of phase t."""
    return weight / (2 * len(terms)) * sum(terms)


# The released code -----------------------------------------------------------------------------
# All means run over the whole batch, and Sobel sees zeros outside the map.


def released_combine(terms, weight):
    """No division by the number of old tasks."""
    return weight / 2 * sum(terms)


def released_edges(loss, k):
    """Salient pixels of a batch of loss maps as (image, r, c); a flat gradient has none."""
    return [(b, r, c) for b, image in enumerate(loss)
            for r, c in salient_pixels(image, k, "zero")]


def released_class_losses(student, teacher):
    """Geometric mean per class over the batch, without exact zeros; 0 for an empty class."""
    loss, labels = hard_label_map(student, teacher), class_groups(teacher)
    result = []
    for c in range(student.shape[1]):
        logs = [math.log(v) for v, label in zip(loss.flat, labels.flat, strict=True)
                if label == c and v != 0]
        result.append(math.exp(mean(logs)) if logs else 0.0)
    return result


def released_class_weights(student, teacher):
    """softmax(-class loss); classes without pixels, loss 0, weigh most. A constant in backward."""
    powers = [math.exp(-v) for v in released_class_losses(student, teacher)]
    return [p / sum(powers) for p in powers]


def released_segmentation_db(student, teacher, weights=None):
    """Weighted class losses, divided by the number of all classes."""
    weights = released_class_weights(student, teacher) if weights is None else weights
    losses = released_class_losses(student, teacher)
    return mean([w * v for w, v in zip(weights, losses, strict=True)])


def released_segmentation_sg(student, teacher, k):
    """Sum over the salient pixels, divided by all pixels."""
    loss = hard_label_map(student, teacher)
    return sum(float(loss[p]) for p in released_edges(loss, k)) / loss.size


def released_depth_map(student, teacher):
    """L1, and 0 where the teacher's output is exactly 0 (read as a missing label)."""
    return per_pixel(lambda s, t: abs(float(s[0] - t[0])) if t[0] != 0 else 0.0, student, teacher)


def _sides(values, student_level, delta):
    """Values where the student's own level is strictly above, and strictly below, delta."""
    above = [float(v) for v, s in zip(values.flat, student_level.flat, strict=True) if s > delta]
    below = [float(v) for v, s in zip(values.flat, student_level.flat, strict=True) if s < delta]
    return above, below


def released_depth_db(student, teacher, delta):
    """Sum of both sides' mean losses; an empty side adds 0."""
    sides = _sides(released_depth_map(student, teacher), student[:, 0], delta)
    return sum(mean(side) if side else 0.0 for side in sides)


def released_depth_sg(student, teacher, k):
    """Every image under every image's mask; mean over the products that are not 0."""
    loss = released_depth_map(student, teacher)
    edges = released_edges(loss, k)
    products = [float(image[r, c]) for image in loss for _, r, c in edges]
    kept = [v for v in products if v != 0]
    return mean(kept) if kept else 0.0


def released_normal_products(student, teacher):
    """[B, 3, H, W]: channel products of unit normals; 0 where the teacher's channels sum to 0."""
    batch, _, height, width = student.shape
    result = np.zeros(student.shape)
    for b in range(batch):
        for r, c in pixels(height, width):
            s, t = unit(student[b, :, r, c]), unit(teacher[b, :, r, c])
            result[b, :, r, c] = s * t if t.sum() != 0 else 0.0
    return result


def _channel_mean(maps):
    return per_pixel(lambda v, _: mean([float(x) for x in v]), maps, maps)


def released_normal_db(student, teacher, delta):
    """Sides by the mean channel of the student's unit normal; an empty side adds 1."""
    third_of_cosine = _channel_mean(released_normal_products(student, teacher))
    level = per_pixel(lambda s, _: mean([float(x) for x in unit(s)]), student, student)
    sides = _sides(third_of_cosine, level, delta)
    return sum(1.0 - mean(side) if side else 1.0 for side in sides)


def released_normal_sg(student, teacher, k):
    """1 - (cosines of all pixels) / (number of salient channel products that are not 0)."""
    products = released_normal_products(student, teacher)
    edges = released_edges(1.0 - _channel_mean(products), k)
    count = sum(1 for b, r, c in edges for x in products[b, :, r, c] if x != 0)
    return 1.0 - float(products.sum()) / count if count else 1.0


def released_segmentation(student, teacher, k, weights=None):
    return (released_segmentation_db(student, teacher, weights)
            + released_segmentation_sg(student, teacher, k))


def released_depth(student, teacher, k, delta):
    return released_depth_db(student, teacher, delta) + released_depth_sg(student, teacher, k)


def released_normal(student, teacher, k, delta):
    return released_normal_db(student, teacher, delta) + released_normal_sg(student, teacher, k)
