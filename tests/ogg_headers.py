"""Ogg files with other header packets than an encoder gives them."""

import io
from collections.abc import Callable
from pathlib import Path

from mutagen.ogg import OggPage


def with_headers(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Lays the header packets of a file out anew; `change` gets the identification and the comment.

    The file is as an encoder leaves it: these two headers, each on a page of its own.
    """
    file = io.BytesIO(path.read_bytes())
    old = [OggPage(file) for _ in range(2)]
    audio = io.BytesIO(file.read())
    packets = change([page.packets[0] for page in old])
    first = OggPage()
    first.packets, first.first = packets[:1], True
    new = [first, *OggPage.from_packets(packets[1:], 1)]
    for number, page in enumerate(new):
        page.serial, page.sequence = old[0].serial, number
    OggPage.renumber(audio, old[0].serial, len(new))
    path.write_bytes(b"".join(page.write() for page in new) + audio.getvalue())
