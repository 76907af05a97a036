"""The lock where the disk takes nothing more."""

import errno
import os
from pathlib import Path

import pytest

from tagger.daemon import lock
from tagger.records import TaggerError


def test_a_disk_that_takes_no_process_number_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _content: bytes, _offset: int) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(TaggerError, match="Disk quota exceeded; nothing was touched"):
            lock.acquire(tmp_path / "catalog.sqlite")
    held = lock.acquire(tmp_path / "catalog.sqlite")  # the failed one holds nothing
    assert held is not None
    held.release()
