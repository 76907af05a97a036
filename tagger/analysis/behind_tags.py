"""Music as it stands behind ID3v2 tags: https://id3.org/id3v2.4.0-structure"""

import os
from io import BufferedReader

_HEADER_BYTES, _HAS_FOOTER, _MOST_TAGS = 10, 0x10, 8


class BehindTags:
    """A file from the end of its leading ID3v2 tags on: of many containers FFmpeg knows nothing that stands behind one.

    A tag that is as long as the file, or longer, is left to FFmpeg.
    """

    def __init__(self, file: BufferedReader) -> None:
        start = _behind_tags(file)
        self.name, self.read, self._file = file.name, file.read, file
        self._start = start if start < os.fstat(file.fileno()).st_size else 0
        self.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset + self._start if whence == os.SEEK_SET else offset, whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start


def _behind_tags(file: BufferedReader) -> int:
    """Where the last of the ID3v2 tags ends that stand one behind the other."""
    end = 0
    for _ in range(_MOST_TAGS):
        file.seek(end)
        head = file.read(_HEADER_BYTES)
        if len(head) < _HEADER_BYTES or not head.startswith(b"ID3") or max(head[6:]) > 0x7F:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        end += _HEADER_BYTES * (2 if head[5] & _HAS_FOOTER else 1) + size
    return end
