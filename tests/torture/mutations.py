"""Damaged files: what encoders and taggers leave, mutated; the same file for the same seed and number."""

import random
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tagger.tags.formats.ogg_pages import crc
from tests.tags.formats.test_format_contract import DRESSED, SUFFIX, Plain

_FRONT_BYTES = 90  # the first headers
_EDGE_BYTES = 2_500  # where most structure lies: at either end
_NAME = re.compile(rb"[A-Za-z0-9 \xa9-]{4}")
_OGG_HEADER_BYTES = 27


@dataclass(frozen=True, slots=True)
class Mutant:
    number: int
    base: str
    suffix: str
    content: bytes


def bases(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Suffix and content of every dressed file of the contract suite, so that a new container is mutated too."""
    made: dict[str, tuple[str, bytes]] = {}
    plain = Plain(folder, lambda program: shutil.which(program) or "", 0.25)
    for name, (kind, dress) in DRESSED.items():
        if kind == "ogg-speex" and not shutil.which("ffmpeg"):
            continue
        suffix = SUFFIX.get(kind, kind)
        path = folder / f"dressed.{suffix}"
        path.write_bytes(plain[kind])
        dress(path)
        made[name] = suffix, path.read_bytes()
    return made


def mutant(of: Mapping[str, tuple[str, bytes]], seed: int, number: int) -> Mutant:
    """One to four mutations of one of the bases; Ogg pages get right checksums again, three times out of four."""
    rng = random.Random(f"{seed} {number}")
    names = sorted(of)
    base = names[number % len(names)]
    suffix, whole = of[base]
    content = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(_MUTATIONS)(content, rng, of)
    if suffix in ("ogg", "oga", "opus", "spx") and rng.random() < 0.75:
        _mend_checksums(content)
    return Mutant(number, base, suffix, bytes(content))


def _place(content: bytearray, rng: random.Random) -> int:
    """Near the start or the end, rarely anywhere."""
    length = len(content)
    where = rng.random()
    if where < 0.3:
        return rng.randrange(max(1, min(length, _FRONT_BYTES)))
    if where < 0.6:
        return rng.randrange(max(1, min(length, _EDGE_BYTES)))
    if where < 0.85:
        return max(0, length - 1 - rng.randrange(_EDGE_BYTES))
    return rng.randrange(max(1, length))


def _length(rng: random.Random) -> int:
    return rng.choice((1, 2, 4, 8, rng.randrange(1, 64), rng.randrange(1, 3_000)))


def _flip(content: bytearray, rng: random.Random, _: Mapping[str, tuple[str, bytes]]) -> None:
    for _number in range(rng.choice((1, 1, 1, 8))):
        at = _place(content, rng)
        if at < len(content):
            content[at] = rng.choice((rng.randrange(256), content[at] ^ 1 << rng.randrange(8), 0, 255))


def _cut(content: bytearray, rng: random.Random, _: Mapping[str, tuple[str, bytes]]) -> None:
    at = _place(content, rng)
    del content[at : at + _length(rng) if rng.random() < 0.7 else len(content)]


def _insert(content: bytearray, rng: random.Random, _: Mapping[str, tuple[str, bytes]]) -> None:
    at, length = _place(content, rng), _length(rng)
    content[at:at] = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))


def _double(content: bytearray, rng: random.Random, _: Mapping[str, tuple[str, bytes]]) -> None:
    at, length = _place(content, rng), _length(rng)
    content[at:at] = content[at : at + length] * rng.choice((1, 1, 2, 20))


def _extreme(content: bytearray, rng: random.Random, _: Mapping[str, tuple[str, bytes]]) -> None:
    """A number where a size may stand: right before or behind a name, or anywhere."""
    names = [match.start() for match in _NAME.finditer(content, 0, _EDGE_BYTES)]
    at = (
        rng.choice(names) + rng.choice((-4, 4, 4, 8, 8, 12, 16))
        if names and rng.random() < 0.6
        else _place(content, rng)
    )
    width = rng.choice((1, 2, 3, 4, 4, 8))
    top = 1 << 8 * width
    near = len(content) + rng.randrange(-40, 40)
    small = rng.randrange(32)
    value = rng.choice((0, 1, small, small, top - 1, top - 2, top // 2, top // 2 - 1, 0x7F7F7F7F, 1 << 28, near)) % top
    if 0 <= at <= len(content) - width:
        content[at : at + width] = value.to_bytes(width, rng.choice(("big", "little")))


def _splice(content: bytearray, rng: random.Random, of: Mapping[str, tuple[str, bytes]]) -> None:
    """A piece of another file, also of another container."""
    other = of[rng.choice(sorted(of))][1]
    start = _place(bytearray(other), rng)
    piece = other[start : start + _length(rng)] if rng.random() < 0.8 else other[start:]
    at = _place(content, rng)
    content[at : at + rng.choice((0, len(piece)))] = piece


_MUTATIONS = (_flip, _cut, _insert, _double, _extreme, _extreme, _splice)


def _mend_checksums(content: bytearray) -> None:
    """Of the first pages, which the checks would else be all that a mutation reaches."""
    at = 0
    for _ in range(6):
        at = content.find(b"OggS", at)
        if at < 0 or at + _OGG_HEADER_BYTES > len(content):
            return
        lacing = content[at + _OGG_HEADER_BYTES : at + _OGG_HEADER_BYTES + content[at + 26]]
        end = at + _OGG_HEADER_BYTES + len(lacing) + sum(lacing)
        page = content[at : at + 22] + bytes(4) + content[at + 26 : end]
        content[at + 22 : at + 26] = crc(bytes(page)).to_bytes(4, "little")
        at += 4
