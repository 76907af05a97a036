"""Where nobody works, the workers go; again after each request."""

import asyncio
from types import SimpleNamespace
from typing import Any

from tagger.daemon import serving
from tagger.daemon.turns import Turn


class Workers:
    def __init__(self) -> None:
        self.running = True

    async def close(self) -> None:
        self.running = False


def test_workers_that_a_request_started_after_an_idle_time_go_as_well() -> None:
    workers = Workers()
    settings = SimpleNamespace(settle_s=0.1, idle_s=0.1, exclude=())
    scanner: Any = SimpleNamespace(pipeline=workers)

    async def run() -> None:
        daemon = serving._Daemon(settings=settings, scanner=scanner, roots=[], stopped=asyncio.Event())  # type: ignore[arg-type]
        watching = asyncio.create_task(serving._watch(daemon))
        for _ in range(2):
            async with asyncio.timeout(20):
                while workers.running:
                    await asyncio.sleep(0.05)
            async with Turn(daemon.turns):  # a request
                workers.running = True
        daemon.stopped.set()
        await watching

    asyncio.run(run())
