"""Memory of the process: settings of the C library's allocator."""

from __future__ import annotations

import ctypes
import platform

# Options of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE = 2**30


def keep_freed_memory() -> None:
    """Have glibc keep freed memory for the next operation instead of returning it to the kernel.

    Steps of a small network, or of a renderer, otherwise spend a fifth of their time on page
    faults. Without glibc, it does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(option, _LARGE)
