"""Memory that is freed stays with the process: a training asks for the same sizes again at every step."""
from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

TRIM, MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3)
KEPT, LARGEST = 1 << 30, 32 << 20  # bytes that stay at most; the size from which each piece is mapped on its own, the most that glibc takes


@cache
def keep_freed() -> None:
    """Let glibc keep up to KEPT bytes of what is freed, of all sizes below LARGEST, for as long as the process lives.

    By default it gives activations back to the kernel at the end of every backward pass, which then hands out, and clears, their pages anew:
    a tenth of the time of a narrow network on a CPU. Not one bit of a result depends on it. Elsewhere than with glibc nothing happens.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(TRIM, KEPT)
        libc.mallopt(MMAP, LARGEST)


def give_back() -> None:
    """Give what is freed and kept back to the kernel, as far as it can be."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(ctypes.c_size_t(0))


@cache
def _glibc() -> Any:
    """The C library of this process if it is glibc, else None."""
    try:
        libc = ctypes.CDLL(None)
        return libc if hasattr(libc, "gnu_get_libc_version") else None
    except (OSError, TypeError):  # a system that has no such handle
        return None
