"""The runs of a sweep: names, globs and ranges become one request each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from benchmark.config.family import find_sequence, sequences_of, shipped_sequences
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError, unknown
from benchmark.registry import find_method, method_names

_MAGIC = re.compile(r"[*?[]")


def run_requests(methods: str, sequences: str, seeds: str, settings: Sequence[str] = (),
                 method_settings: Sequence[str] = (), recipe: str | None = None,
                 tuned: bool = False) -> list[RunRequest]:
    """The runs of a sweep, in the order they are to be run: all methods on one sequence and seed
    come before the next, so that what is done early can be compared.

    `methods` and `sequences` are names, files and globs separated by commas, `seeds` numbers and
    ranges (`0-4,7`); `method_settings` are `KEY=VALUE`, for all methods, or `METHOD:KEY=VALUE`.
    Raises `RequestError` for names that do not exist and for what cannot be read.
    """
    own = _settings_of_each(_methods(methods), method_settings)
    orders, numbers = _sequences(sequences), _seeds(seeds)
    return [RunRequest(method, sequence, seed, tuple(settings), chosen, recipe, tuned)
            for seed in numbers for sequence in orders for method, chosen in own.items()]


def _methods(text: str) -> list[str]:
    """Method names and files; globs match lifelong methods only, so bounds must be named."""
    lifelong: list[str] = []
    if _MAGIC.search(text):
        lifelong = [name for name in method_names() if find_method(name).kind == "lifelong"]
    return _expanded("--methods", text, lifelong)


def _sequences(text: str) -> list[str]:
    """Sequence names and files; globs match listed sequences, shipped ones or, as
    `FILE.yaml:GLOB`, those of a file."""
    found: list[str] = []
    for word in _words("--sequences", text):
        file, colon, pattern = word.partition(".yaml:")
        if colon and _MAGIC.search(pattern):
            orders = [each.name.removeprefix(f"{each.family.family}_")
                      for each in sequences_of(Path(file + ".yaml")) if each.listed]
            found += [f"{file}.yaml:{order}" for order in _matching(pattern, orders)]
        elif _MAGIC.search(word):
            found += _matching(word, [each.name for each in shipped_sequences() if each.listed])
        else:
            find_sequence(word)
            found.append(word)
    return list(dict.fromkeys(found))


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for word in _words("--seeds", text):
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < first + 10_000:
            raise RequestError(f"--seeds {word}: write numbers and ranges, such as 0-4,7")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def _settings_of_each(methods: Sequence[str],
                      settings: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Method -> its settings, as `--method-set` of a single run takes them."""
    names = {method: {method, find_method(method).name} for method in methods}
    own: dict[str, list[str]] = {method: [] for method in methods}
    for text in settings:
        key, equals, value = text.partition("=")
        name, colon, bare = key.rpartition(":")
        chosen = [method for method in methods if not colon or name in names[method]]
        if not chosen:
            known = {name for each in names.values() for name in each}
            raise RequestError(f"--method-set {text}: {unknown('method', name, known)}")
        for method in chosen:
            own[method].append(f"{bare}{equals}{value}")
    return {method: tuple(chosen) for method, chosen in own.items()}


def _expanded(option: str, text: str, known: Sequence[str]) -> list[str]:
    """The names given and those of `known` that globs match, each once, in the order given."""
    found = [name for word in _words(option, text)
             for name in (_matching(word, known) if _MAGIC.search(word) else [word])]
    return list(dict.fromkeys(found))


def _words(option: str, text: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise RequestError(f"{option} '{text}': a name is empty; write names with commas between")
    return words


def _matching(pattern: str, known: Sequence[str]) -> list[str]:
    found = [name for name in known if fnmatchcase(name, pattern)]
    if not found:
        raise RequestError(f"'{pattern}' matches none of {', '.join(known)}")
    return found
