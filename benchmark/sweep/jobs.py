"""What a sweep is asked for: names, globs and ranges become single runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from benchmark.config.family import find_sequence, sequences_of, shipped_sequences
from benchmark.engine.plan import Plan, make_plan
from benchmark.errors import RequestError, unknown
from benchmark.registry import find_method, method_names

_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Job:
    """One run, in the words of `lhlbench run`."""

    method: str
    sequence: str
    seed: int
    settings: tuple[str, ...] = ()
    method_settings: tuple[str, ...] = ()
    recipe: str | None = None
    tuned: bool = False

    def plan(self) -> Plan:
        """The resolved run. Raises `RequestError` as `make_plan` does."""
        return make_plan(self.method, self.sequence, self.seed, self.settings,
                         self.method_settings, self.recipe, self.tuned)

    def command(self, more: Iterable[str] = ()) -> str:
        """The command that makes this run alone; `more` are further words."""
        words = ["lhlbench", "run", "--method", self.method, "--sequence", self.sequence,
                 "--seed", str(self.seed)]
        for option, values in (("--set", self.settings), ("--method-set", self.method_settings)):
            words += [word for value in values for word in (option, value)]
        words += ["--recipe", self.recipe] if self.recipe else []
        words += ["--tuned"] if self.tuned else []
        return shlex.join([*words, *more])

    def __str__(self) -> str:
        return f"{self.method} on {self.sequence}, seed {self.seed}"


def jobs_of(methods: str, sequences: str, seeds: str, settings: Sequence[str] = (),
            method_settings: Sequence[str] = (), recipe: str | None = None,
            tuned: bool = False) -> list[Job]:
    """Every run of a sweep: all methods on one sequence and seed before the next one, so that what
    is there early can be compared.

    `methods` and `sequences` are names, files and globs with commas, `seeds` numbers and ranges
    (`0-4,7`); `method_settings` are `KEY=VALUE`, for all methods, or `METHOD:KEY=VALUE`. Raises
    `RequestError` for what does not exist.
    """
    own = _per_method(_methods(methods), method_settings)
    places, numbers = _sequences(sequences), _seeds(seeds)
    return [Job(method, sequence, seed, tuple(settings), chosen, recipe, tuned)
            for seed in numbers for sequence in places for method, chosen in own.items()]


def _methods(text: str) -> list[str]:
    """A glob stands for lifelong methods; bounds are named."""
    lifelong: list[str] = []
    if _MAGIC.search(text):
        lifelong = [name for name in method_names() if find_method(name).kind == "lifelong"]
    return _expanded("--methods", text, lifelong)


def _sequences(text: str) -> list[str]:
    """Globs over the listed sequences that come along, or `FILE.yaml:GLOB` over a file's."""
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


def _per_method(methods: Sequence[str], settings: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The settings of each method, as `--method-set` of a single run takes them."""
    names = {method: {method, find_method(method).name} for method in methods}
    own: dict[str, list[str]] = {method: [] for method in methods}
    for text in settings:
        key, equals, value = text.partition("=")
        whose, colon, bare = key.rpartition(":")
        chosen = [method for method in methods if not colon or whose in names[method]]
        if not chosen:
            known = {name for each in names.values() for name in each}
            raise RequestError(f"--method-set {text}: {unknown('method', whose, known)}")
        for method in chosen:
            own[method].append(f"{bare}{equals}{value}")
    return {method: tuple(chosen) for method, chosen in own.items()}


def _expanded(option: str, text: str, known: Sequence[str]) -> list[str]:
    """Words as they stand, globs as what they match, each once, in the order they were given."""
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
