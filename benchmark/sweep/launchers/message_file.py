"""Messages of a worker on another machine: lines of JSON in a file that both sides can reach."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark.sweep.worker import Message


@dataclass(frozen=True)
class MessageWriter:
    """The worker's side."""

    path: Path

    def send(self, message: Message) -> None:
        """Append a message. Raises `OSError`, also when the reader has removed the folder."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(message)) + "\n")


class MessageReader:
    """The sweep's side."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0

    def receive(self) -> list[Message]:
        """The messages that have come since the last call."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                lines = file.read()
        except OSError:
            return []
        whole = lines[:lines.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [Message(**json.loads(line)) for line in whole.splitlines()]
