"""A family of the user's own with a task of an outside kind: images, labels, depth and flow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

FLOW_KIND = Path(__file__).with_name("flow_kind")
HEIGHT, WIDTH = 24, 32
RECIPE = {"about": "Seconds.", "backbone": "narrow", "weights": "none", "head_rates": [1, 2],
          "head_channels": 16, "epochs": 4, "batch": 2, "optimizer": "adamw", "lr": 0.003,
          "weight_decay": 0.01, "schedule": "onecycle", "crop": [16, 24],
          "scales": [1.0, 1.5], "flip": True}


def make_moving(folder: Path, kind: Path = FLOW_KIND, order: tuple[str, ...] = (
        "parts", "depth", "flow")) -> Path:
    """Write eight images with labels and `moving.yaml`, which names the kind `flow`; its path."""
    numbers = np.random.default_rng(0)
    for each in ("rgb", "parts", "depth", "flow"):
        (folder / "photos" / each).mkdir(parents=True, exist_ok=True)
    for stem in "abcdefgh":
        photo = numbers.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(photo).save(folder / f"photos/rgb/{stem}.png")
        Image.fromarray(photo[..., 0] // 86).save(folder / f"photos/parts/{stem}.png")
        np.save(folder / f"photos/depth/{stem}.npy", 1 + photo[..., 1] / np.float32(64))
        flow = photo[..., 1:].astype(np.float32) / 32 - 4
        flow[:4, :5] = np.nan
        np.save(folder / f"photos/flow/{stem}.npy", flow)
    (folder / "recipes").mkdir(exist_ok=True)
    (folder / "recipes" / "seconds.yaml").write_text(yaml.safe_dump(RECIPE))
    tasks = {"parts": {"kind": "segmentation", "files": "parts/*.png", "encoding": "index",
                       "classes": ["low", "middle", "high"]},
             "depth": {"kind": "regression", "files": "depth/*.npy", "encoding": "npy",
                       "quantity": "depth", "unit": "m"},
             "flow": {"kind": "flow", "files": "flow/*.npy", "encoding": "npy"}}
    family = {"family": "moving", "about": "Things that move.", "tasks": list(order),
              "recipe": "seconds", "task_kinds": [str(kind)],
              "dataset": {"name": "folder", "root": "photos", "images": "rgb/*.png",
                          "tasks": tasks, "split": {"eval": ["g", "h"]}}}
    path = folder / "moving.yaml"
    path.write_text(yaml.safe_dump(family, sort_keys=False))
    return path
