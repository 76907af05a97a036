"""The socket through which `undo` and `write` reach a running daemon: one JSON line asks, JSON lines answer."""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tagger.daemon.report import Reporter
from tagger.records import TaggerError

Handler = Callable[[dict[str, Any], Reporter], Awaitable[dict[str, int]]]
_NAME = "control.sock"
LONGEST_BYTES = 16 << 20
"""Of a request: a hundred thousand paths or so."""
_TOO_LONG = "too many paths for one request to the running tagger: name a folder, or ask in several parts"


class _Remote:
    """The reporter of a command that another process started."""

    interactive = False

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, kind: str, value: object) -> None:
        self._writer.write(json.dumps({kind: value}).encode() + b"\n")

    def say(self, text: str) -> None:
        self.send("say", text)

    def progress(self, done: int, total: int, text: str) -> None:
        self.send("progress", [done, total, text])

    def confirm(self, text: str) -> bool:
        return True


async def listen(catalog: Path, handle: Handler) -> asyncio.Server:
    """Answers requests until the server is closed; only the daemon's own user may ask."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        remote = _Remote(writer)
        with suppress(ConnectionError), closing(writer):
            try:
                remote.send("result", await handle(await _request(reader), remote))
            except TaggerError as error:
                remote.send("error", str(error))
            except (KeyError, TypeError) as error:
                remote.send("error", f"a request that this tagger does not know ({error!r})")
            await writer.drain()

    folder_fd = os.open(catalog.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            os.unlink(_NAME, dir_fd=folder_fd)
        old_mask = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(serve, path=_address(catalog, folder_fd), limit=LONGEST_BYTES)
        finally:
            os.umask(old_mask)
    finally:
        os.close(folder_fd)


async def _request(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Raises TaggerError for a line that is too long, or no JSON."""
    try:
        line = await reader.readline()
    except ValueError as error:
        raise TaggerError(_TOO_LONG) from error
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError) as error:
        raise TaggerError("a request that is no JSON object") from error


def close(catalog: Path) -> None:
    with suppress(FileNotFoundError):
        catalog.with_name(_NAME).unlink()


def ask(catalog: Path, request: dict[str, Any], reporter: Reporter) -> dict[str, int]:
    """Has a running daemon do something. Raises TaggerError where it does not answer or says no."""
    asked = json.dumps(request).encode() + b"\n"
    if len(asked) > LONGEST_BYTES:
        raise TaggerError(_TOO_LONG)
    folder_fd = os.open(catalog.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(_address(catalog, folder_fd))
            connection.sendall(asked)
            with connection.makefile("r", encoding="utf-8") as answers:
                for line in answers:
                    if (result := _told(json.loads(line), reporter)) is not None:
                        return result
    except OSError as error:
        raise TaggerError(f"the running tagger does not answer ({error.strerror or error})") from error
    finally:
        os.close(folder_fd)
    raise TaggerError("the running tagger ended before it had answered; ask again")


def _told(answer: dict[str, Any], reporter: Reporter) -> dict[str, int] | None:
    match answer:
        case {"say": text}:
            reporter.say(text)
        case {"progress": [done, total, text]}:
            reporter.progress(done, total, text)
        case {"error": text}:
            raise TaggerError(text)
        case {"result": dict(result)}:
            return result
    return None


def _address(catalog: Path, folder_fd: int) -> str:
    """A socket's address has room for 107 bytes; through the folder's descriptor any folder fits."""
    path = str(catalog.with_name(_NAME))
    return path if len(os.fsencode(path)) < 100 else f"/proc/self/fd/{folder_fd}/{_NAME}"


def as_text(paths: Sequence[bytes] | None) -> list[str] | None:
    """Paths as JSON can carry them."""
    return None if paths is None else [path.hex() for path in paths]


def as_paths(texts: list[str] | None) -> list[bytes] | None:
    """Raises TaggerError for what `as_text` never made."""
    return None if texts is None else [as_path(text) for text in texts]


def as_path(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise TaggerError(f"a request that this tagger does not know: {text!r} is no path in hexadecimal") from error
