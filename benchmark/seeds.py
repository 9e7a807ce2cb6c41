"""Random streams: independent seeds derived by name from the seed of a run."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream `names` of run seed `seed`.

    Names are part of the numbers: one that is in use stays as it is, or published runs could not
    be reproduced.
    """
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_everything(seed: int) -> None:
    """Set the state of every library's global generator.

    The harness does so at the start of every epoch, so that an epoch's randomness depends on
    (seed, phase, epoch) alone and a resumed run needs no generator state.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def generator_states() -> dict[str, Any]:
    """The states of every library's global generator."""
    version, words, gauss = random.getstate()
    found = np.random.get_state(legacy=False)
    return {"python": [version, list(words), gauss],
            "numpy": {**found, "state": {**found["state"], "key": found["state"]["key"].tolist()}},
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []}


def restore_generators(states: dict[str, Any]) -> None:
    """Set every library's global generator to what `generator_states` returned."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    found = states["numpy"]
    np.random.set_state({**found, "state": {**found["state"], "key": np.array(
        found["state"]["key"], np.uint32)}})
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"]:
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Within the context, seed torch's global CPU generator; afterwards restore its state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
