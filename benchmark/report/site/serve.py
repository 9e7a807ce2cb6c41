"""Showing a site to browsers on this machine, and to nobody else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmark.errors import RequestError

LOOPBACK = "127.0.0.1"


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of `folder` on the loopback address; port 0 is any free one.

    Only files below `folder` are served, links that lead out of it are not, and folders are not
    listed. Raises `RequestError` when the port cannot be had.
    """
    try:
        return _Server((LOOPBACK, port), partial(_Files, root=folder.resolve()))
    except (OSError, OverflowError) as error:
        raise RequestError(f"port {port} cannot be had ({error}); leave out --port for a free "
                           "one") from None


def serve(folder: Path, port: int, announce: Callable[[str], object]) -> None:
    """Serve until Ctrl-C; `announce` is called with the address first."""
    with server(folder, port) as running:
        announce(f"http://{LOOPBACK}:{running.server_port}/index.html")
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            return


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away in the middle of an answer is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Files(SimpleHTTPRequestHandler):
    """Files below `root`, as they are now."""

    def __init__(self, *args: Any, root: Path, **kwargs: Any) -> None:
        self.root = root
        super().__init__(*args, directory=str(root), **kwargs)

    def translate_path(self, path: str) -> str:
        try:
            found = Path(super().translate_path(path)).resolve()
            inside = found.is_relative_to(self.root) and (found.is_file() or found.is_dir())
        except (OSError, RuntimeError, ValueError):  # a zero byte, a name too long, a circle
            inside = False
        return str(found if inside else self.root / "not-there")

    def send_head(self) -> Any:
        # A page of another site could reach this address under a name of its own.
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in (LOOPBACK, "localhost"):
            self.send_error(403)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        self.send_error(404)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line each."""
