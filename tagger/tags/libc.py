"""Calls of Linux that Python has no name for."""

import ctypes
from functools import cache
from typing import Any


@cache
def call(name: str) -> Any:
    """A function of the C library, its error in `ctypes.get_errno`; None where it has none of that name."""
    return getattr(ctypes.CDLL(None, use_errno=True), name, None)
