"""The machine of a run: device and precision, and its description in the record."""

from __future__ import annotations

import logging
import os
import platform
import resource
import subprocess
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import distributed

from benchmark import __version__
from benchmark.errors import RequestError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_RECORDED = ("torch", "torchvision", "timm", "lightning-fabric", "numpy")


def make_fabric(device: str, precision: Literal["fp32", "bf16"]) -> Fabric:
    """Device and precision for one process. `auto` takes CUDA where there is one.

    Raises `RequestError` for a device this machine has not got, and in one of several processes
    that torchrun started.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise RequestError(f"unknown device '{device}'. Use auto, cpu or cuda.")
    count = os.environ.get("WORLD_SIZE", "1")
    if distributed.is_torchelastic_launched() and count != "1":
        raise RequestError(f"torchrun started {count} processes and a run is of one; leave "
                           "torchrun out, and give several devices several runs by lhlbench sweep")
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise RequestError("--device cuda: torch sees no CUDA device here; see lhlbench doctor")
    fabric = _fabric_class()
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it names the precision
    with warnings.catch_warnings():  # where jobs are submitted, it advises to run inside one
        warnings.filterwarnings("ignore", message="The `srun` command is available")
        return fabric(accelerator="cuda" if cuda and device != "cpu" else "cpu", devices=1,
                      precision="bf16-mixed" if precision == "bf16" else "32-true")


def _fabric_class() -> type[Fabric]:
    """Fabric, imported without torchmetrics.

    lightning_fabric imports an installed torchmetrics, and with it scipy.signal and matplotlib, to
    know its version, which matters to a part of it that is not used here. `None` stands for a
    module that is not there.
    """
    modules: dict[str, Any] = sys.modules
    hidden = "torchmetrics" not in modules
    if hidden:
        modules["torchmetrics"] = None
    try:
        from lightning_fabric import Fabric
    finally:
        if hidden:
            del modules["torchmetrics"]
    return Fabric


def peak_memory_bytes(device: torch.device) -> int:
    """Peak so far: of the device's allocations on CUDA, of the process on CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def environment(fabric: Fabric, precision: str, command: str) -> dict[str, Any]:
    """Description of the machine and the software for the record."""
    device = fabric.device
    name = (torch.cuda.get_device_name(device) if device.type == "cuda"
            else platform.processor() or platform.machine())
    return {"lhlbench": __version__, "python": platform.python_version(),
            "versions": {package: installed(package) for package in _RECORDED},
            "device": device.type, "device_name": name, "threads": torch.get_num_threads(),
            "precision": precision, "processes": fabric.world_size, "git": git_revision(),
            "command": command}


def installed(package: str) -> str | None:
    """Version of an installed package; None when it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_revision() -> str | None:
    """Commit of the clone this runs from, with '+' when files differ from it."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+",
                   "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5,
                              check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
