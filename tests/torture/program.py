"""The program under faults: `python -m tests.torture.program FOLDER`, with `faults.c` preloaded.

A server that has everything imported and forks a process for each question of a line of JSON on stdin, so that a
killed run costs milliseconds. The forked process does what the command does, with the daemon's own session, scanner
and undo; its file workers run inside it, unless the question wants real ones. The answer is a line of JSON.
"""

import asyncio
import ctypes
import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy.dialects.sqlite  # noqa: F401  (what a run would import is here before the fork)

from tagger import settings as tagger_settings
from tagger.daemon import file_worker, service, session
from tagger.daemon.jobs import Broken
from tagger.daemon.workers import FileWorkers
from tagger.records import Failure, Selection, Stage, TaggerError

KINDS = {"none": 0, "kill": 1, "fail": 2, "short": 3}
_PR_SET_CHILD_SUBREAPER = 36
_LIMIT_S = 120.0


class WorkersInside:
    """File workers in this process: its calls are theirs."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    async def do(self, job: Any) -> Any:
        answer, _ = file_worker._answer(job, b"")
        if isinstance(answer, Broken):
            return Failure(stage=Stage.WRITE, reason="not enough memory to read it", detail=answer.detail)
        return answer

    async def close(self) -> None:
        pass


class Quiet:
    """A reporter nobody listens to."""

    interactive = False

    def say(self, text: str) -> None:
        pass

    def progress(self, done: int, total: int, text: str) -> None:
        pass

    def confirm(self, text: str) -> bool:
        return True


def settings_of(folder: Path) -> tagger_settings.Settings:
    """The shipped settings, with catalog and music below one folder."""
    environ = {"HOME": str(folder), "TAGGER_CATALOG": str(folder / "state" / "catalog.sqlite")}
    loaded = tagger_settings.load(None, environ)
    return replace(loaded, settle_s=0.0, file_workers=1, in_flight=2, device="cpu")


def act(folder: Path, action: str) -> None:
    """What `tagger scan`, `tagger undo --all` and `tagger write --again` do."""
    music, settings = folder / "music", settings_of(folder)
    if action == "scan":
        service.scan(settings, [music], Quiet(), dry_run=False, yes=True)
    elif action == "undo":
        service.undo(settings, None, Selection(), Quiet(), dry_run=False)
    else:
        assert action == "again"
        service.write(settings, [os.fsencode(music)], Quiet(), again=True)


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = mmap.mmap(-1, 16)
        self.faults = ctypes.CDLL(None)
        self.faults.faults_calls.restype = ctypes.c_long
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        self.shared[:16] = bytes(16)
        child = os.fork()
        if child == 0:
            self._run(question)
        if "kill_after_s" in question:
            time.sleep(question["kill_after_s"])
            for victim in self._victims(child, question):
                os.kill(victim, signal.SIGKILL)
        statuses = self._wait_for_all(began)
        calls, _ = struct.unpack("<qq", self.shared[:16])
        return {"status": statuses[child], "calls": calls, "seconds": time.monotonic() - began}

    def _victims(self, child: int, question: dict[str, Any]) -> list[int]:
        """The program, or one of its file workers, which it must survive."""
        if question.get("victim") != "worker":
            return [child]
        try:
            text = Path(f"/proc/{child}/task/{child}/children").read_text()
        except OSError:
            return []
        return random.sample(list(map(int, text.split())), k=min(1, len(text.split())))

    def _wait_for_all(self, began: float) -> dict[int, int]:
        """Until the program and, where it was killed, its workers are gone."""
        statuses: dict[int, int] = {}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return statuses
            if pid:
                statuses[pid] = os.waitstatus_to_exitcode(status)
            elif time.monotonic() - began > _LIMIT_S:
                raise TimeoutError("it hangs")
            else:
                time.sleep(0.002)

    def _run(self, question: dict[str, Any]) -> None:
        """In the forked process; exit codes are the command's: 0 done, 2 a TaggerError, 1 a crash."""
        code = 1
        try:
            session.FileWorkers = FileWorkers if question.get("real_workers") else WorkersInside  # type: ignore[misc]
            kind = KINDS[question.get("fault", "none")]
            self.faults.faults_arm(
                os.fsencode(self.folder) + b"/",
                kind,
                question.get("errno", 0),
                ctypes.c_long(question.get("at", 0)),
                int(question.get("sticky", False)),
                question.get("mask", 31),
            )
            act(self.folder, question["action"])
            code = 0
        except TaggerError:
            code = 2
        except asyncio.CancelledError:
            code = 3
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            self.shared[:16] = struct.pack("<qq", self.faults.faults_calls(), 0)
            os._exit(code)


def main() -> None:
    server = Server(Path(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(server.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
