"""What both kinds of worker process do first, and their loop."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from tagger.daemon.jobs import pack, read_frame

_PR_SET_PDEATHSIG = 1


def pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to main. stdout is turned to stderr, so that no library's print can break a frame."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return sys.stdin.buffer, answers


def die_with_parent(parent: int) -> None:
    """The kernel kills this process when the thread that started it ends; Ctrl-C is for main to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)


def limit_memory(extra_mb: int) -> None:
    """So much more address space than the warmed-up process has now."""
    if sys.platform != "linux":
        return
    with open("/proc/self/statm") as statm:
        now = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limit = now + (extra_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def serve(questions: BinaryIO, answers: BinaryIO, answer: Callable[[Any, bytes], tuple[object, bytes]]) -> None:
    """One question after the other, until main closes the pipe."""
    while frame := read_frame(questions):
        _write(answers, pack(*answer(*frame)))


def _write(pipe: BinaryIO, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[pipe.write(view) :]
