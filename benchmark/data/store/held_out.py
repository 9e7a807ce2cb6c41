"""A part of the training images set apart for choosing settings, so that evaluation images are not
looked at."""

from __future__ import annotations

from benchmark.data.store.files import SPLITS, Split, Store
from benchmark.errors import RequestError
from benchmark.files import digest


class HeldOutStore(Store):
    """A store whose last training images stand in for the evaluation images."""

    def __init__(self, store: Store, share: float) -> None:
        """`share` of the training images is set apart. Raises `RequestError` when nothing is left
        on one side."""
        count = store.count("train")
        kept = count - round(share * count)
        if not 0 < kept < count:
            raise RequestError(f"held_out={share} leaves {kept} of {count} training images; choose "
                               "another share")
        made, parts = store.manifest, {"train": slice(kept), "eval": slice(kept, None)}
        self.folder, self.tasks = store.folder, store.tasks
        self._arrays = {f"{split}/{name}": store.array("train", name)[parts[split]]
                        for split in SPLITS for name in ("image", *store.tasks)}
        sizes: dict[Split, int] = {"train": kept, "eval": count - kept}
        self.manifest = made.model_copy(update={
            "images": sizes, "fingerprint": digest([made.fingerprint, "held out", share])[:16],
            "arrays": {key: made.arrays[f"train/{key.partition('/')[2]}"] for key in self._arrays},
            "files": {f"{split}/{key.partition('/')[2]}": names[parts[split]]
                      for split in SPLITS for key, names in made.files.items()
                      if key.startswith("train/")}})
