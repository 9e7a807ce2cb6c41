"""Places that cannot be written, and browsers that misbehave: one message, nothing left half."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from benchmark.cli import new
from benchmark.cli.app import invoke
from benchmark.report.site.serve import server


@pytest.fixture
def blocked(tmp_path):
    """A folder that cannot be made, whoever asks: a file is in its place."""
    (tmp_path / "file").write_text("mine")
    return tmp_path / "file" / "below"


@pytest.mark.parametrize("words", [
    ["report", "--sequences", "rooms_s1", "--where", "recipe.lr=0.003", "--to"],
    ["plot", "ranks", "--sequences", "rooms_s1", "--where", "recipe.lr=0.003", "--methods", "had",
     "--to"],
    ["table", "--tidy", "--to"], ["new", "method", "mine", "--to"], ["new", "kind", "mine", "--to"],
    ["data", "info", "rooms", "--set", "train=2", "--set", "eval=1", "--set", "height=8", "--set",
     "width=8", "--to"]], ids=lambda words: words[0])
def test_a_target_that_cannot_be_written_is_one_message(words, blocked, tmp_path, capsys):
    assert invoke([*words, str(blocked)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"lhlbench: {blocked}")
    assert " cannot be written: " in printed.err and printed.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_that_fills_up_leaves_no_half_of_a_new_kind(tmp_path, monkeypatch, capsys):
    written = []

    def fill_up(path, text):
        if written:
            raise OSError(28, "No space left on device")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.append(path)

    monkeypatch.setattr(new, "write_text", fill_up)
    assert invoke(["new", "kind", "mine", "--to", str(tmp_path)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert written and not list(tmp_path.iterdir())


def test_full_standard_output_is_one_message():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "benchmark", "ls", "datasets"], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2
    assert "No space left" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def address(tmp_path):
    (tmp_path / "index.html").write_bytes(b"<!doctype html>" + bytes(1 << 22))
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    with server(tmp_path) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_address
        running.shutdown()


def ask(address, path):
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:1\r\n\r\n".encode())
        return connection.makefile("rb").readline()


def test_odd_addresses_are_not_found(address, capsys):
    for path in ("/%00", "/a%00b", "/" + "x" * 5000, "/circle", "/pipe", "/%ff%fe", "/..%00/"):
        assert b" 404 " in ask(address, path), path
    assert b" 200 " in ask(address, "/index.html")
    assert capsys.readouterr().err == ""


def test_a_browser_that_goes_away_is_no_error(address, capsys):
    for _ in range(5):
        connection = socket.create_connection(address, timeout=5)
        connection.sendall(b"GET /index.html HTTP/1.0\r\nHost: 127.0.0.1:1\r\n\r\n")
        connection.recv(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # at once, as a reset
    time.sleep(0.3)
    assert b" 200 " in ask(address, "/index.html")
    assert capsys.readouterr().err == ""
