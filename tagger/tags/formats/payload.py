"""The identity of a recording: a hash of the encoded audio alone, whatever stands in the tags around it."""

import hashlib
from collections.abc import Iterable
from typing import BinaryIO

RULE = "1"
"""Version of the rules by which the formats choose the bytes; a mended rule gets the next number."""

_BLOCK_BYTES = 1 << 20


def identity_of_ranges(file: BinaryIO, ranges: Iterable[tuple[int, int]]) -> str:
    """Identity over (start, stop) byte ranges of the file, one after the other; clipped at the end of the file."""
    digest = hashlib.sha256()
    for start, stop in ranges:
        file.seek(start)
        left = stop - start
        while left > 0 and (block := file.read(min(left, _BLOCK_BYTES))):
            digest.update(block)
            left -= len(block)
    return identity(digest.hexdigest())


def identity(sha256_hex: str) -> str:
    return f"{RULE}:sha256:{sha256_hex}"
