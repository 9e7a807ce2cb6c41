"""`lhlbench doctor`."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

from benchmark.cli.options import AsJson
from benchmark.cli.output import PlainConsole, print_json
from benchmark.config.shipped import shipped

_NEEDED = ("torch", "torchvision", "timm", "lightning-fabric", "pydantic", "numpy", "pandas",
           "matplotlib", "safetensors", "pillow")
_OPTIONAL = {"h5py": "nyuv2 from its .mat file", "pyarrow": "Parquet copies",
             "scikit-image": "edges of pascal_context"}


def doctor(as_json: AsJson = False) -> None:
    """Show what this machine has and what is missing."""
    import torch

    from benchmark.data.sources.source import default_cache
    from benchmark.engine.environment import installed
    from benchmark.registry import method_names

    cache, root = default_cache(), os.environ.get("LHLBENCH_DATA")
    cuda = torch.cuda.is_available()
    facts: dict[str, Any] = {
        "python": platform.python_version(), "packages": {n: installed(n) for n in _NEEDED},
        "optional_packages": {n: installed(n) for n in _OPTIONAL},
        "threads": torch.get_num_threads(),
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "bf16": bool(cuda and torch.cuda.is_bf16_supported()) or _cpu_bf16(),
        "cache": str(cache), "cache_writable": _writable(cache),
        "cache_free_gib": round(shutil.disk_usage(_existing(cache)).free / 2**30, 1),
        "data_root": root, "methods": len(method_names()),
        "sequence_families": sorted(f.stem for f in shipped("sequences").glob("*.yaml"))}
    if as_json:
        print_json(facts)
        return
    console = PlainConsole()
    for package, found in facts["packages"].items():
        console.print(f"{package} {found}" if found else f"missing: {package}; pip install it")
    for package, found in facts["optional_packages"].items():
        console.print(f"{package} {found}" if found else
                      f"not installed: {package}, for {_OPTIONAL[package]}")
    console.print(f"python {facts['python']}, {facts['threads']} threads, bf16 "
                  + ("in hardware" if facts["bf16"] else "without hardware support"))
    console.print("CUDA: " + (", ".join(facts["cuda"]) or "none; runs use the CPU"))
    console.print(f"cache: {cache}, {facts['cache_free_gib']} GiB free"
                  if facts["cache_writable"] else
                  f"missing: {cache} cannot be written; set LHLBENCH_CACHE")
    console.print(f"data root: {root}" if root else
                  "data root: not set; rooms and tabletop need none (LHLBENCH_DATA)")
    console.print(f"{facts['methods']} methods; sequences: "
                  + ", ".join(facts["sequence_families"]))


def _cpu_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _writable(path: Path) -> bool:
    return os.access(_existing(path), os.W_OK)
