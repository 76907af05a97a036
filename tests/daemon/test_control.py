"""The control socket: requests of any sensible size are answered, others with one line."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tagger.daemon import control
from tagger.daemon.report import Reporter
from tagger.records import TaggerError


class Quiet:
    interactive = False

    def say(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...

    def confirm(self, text: str) -> bool:
        return True


async def counted(request: dict[str, Any], reporter: Reporter) -> dict[str, int]:
    return {"paths": len(control.as_paths(request["paths"]) or ())}


def answered(catalog: Path, ask: Callable[[], Any]) -> Any:
    """What a client in another thread is told."""

    async def both() -> Any:
        server = await control.listen(catalog, counted)
        try:
            waiting: Awaitable[Any] = asyncio.to_thread(ask)
            return await asyncio.wait_for(waiting, 20)
        finally:
            server.close()

    return asyncio.run(both())


def test_a_long_list_of_paths_is_answered(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.sqlite"
    paths = control.as_text([b"/music/%0100d.mp3" % number for number in range(20_000)])
    assert answered(catalog, lambda: control.ask(catalog, {"paths": paths}, Quiet())) == {"paths": 20_000}


def test_a_request_that_is_too_long_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "LONGEST_BYTES", 100_000)
    catalog = tmp_path / "catalog.sqlite"
    with pytest.raises(TaggerError, match="name a folder"):
        answered(catalog, lambda: control.ask(catalog, {"paths": ["00" * 100_000]}, Quiet()))


@pytest.mark.parametrize(
    "line",
    [b"x" * 200_000, b"no request\n", b"{}\n", b'{"paths": ["music"]}\n', b'{"paths": [1]}\n'],
    ids=["endless", "no JSON", "incomplete", "no path", "no text"],
)
def test_whatever_comes_the_connection_ends(tmp_path: Path, line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "LONGEST_BYTES", 100_000)

    def send() -> list[bytes]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(tmp_path / "control.sock"))
            connection.sendall(line)
            with connection.makefile("rb") as answers:
                return answers.readlines()

    (answer,) = answered(tmp_path / "catalog.sqlite", send)
    assert set(json.loads(answer)) == {"error"}
