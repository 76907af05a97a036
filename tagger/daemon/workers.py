"""Worker processes as main sees them: started when there is work, killed when they hang, gone when idle."""

import asyncio
import os
import pickle
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tagger.daemon.jobs import FRAME, Broken, Commit, Decode, FileJob, Hear, Inspect, Ready, pack
from tagger.records import Analysis, Decoded, Failure, Stage, TaggerError

_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}
"""Few arenas: each thread of a library would keep memory of its own."""


class WorkerDiedError(Exception):
    """The process ended, or did not answer in time."""


class Worker:
    """One process and its two pipes; one question at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str, *arguments: str, inherited: Sequence[int]) -> "Worker":
        """Starts a worker clean, from its own module; `inherited` are descriptors that it keeps open."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            str(os.getpid()),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=tuple(inherited),
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,  # Ctrl-C is main's to handle
        )
        return cls(process)

    @property
    def alive(self) -> bool:
        """False where it ended while it had nothing to do: no file is to be blamed for that."""
        assert self._process.stdout is not None
        return self._process.returncode is None and not self._process.stdout.at_eof()

    async def ask(self, record: object, raw: bytes, timeout_s: float) -> tuple[Any, bytes]:
        """Raises WorkerDiedError; the process is gone then."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(record, raw)
        except TimeoutError:
            await self.kill()
            raise WorkerDiedError(f"no answer within {timeout_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError, BrokenPipeError):
            code = await self.kill()
            raise WorkerDiedError(f"the process ended ({_ending(code)})") from None

    async def first_word(self, timeout_s: float) -> Ready | Broken:
        """What the process says when it is warm."""
        try:
            async with asyncio.timeout(timeout_s):
                return (await self._read())[0]  # type: ignore[no-any-return]
        except (TimeoutError, asyncio.IncompleteReadError):
            code = await self.kill()
            return Broken(f"a worker could not start ({_ending(code)})")

    async def kill(self) -> int | None:
        with suppress(ProcessLookupError):
            self._process.kill()
        return await self._process.wait()

    async def close(self) -> None:
        """The end of the pipe is the end of the process; what it is doing, it finishes."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def _ask(self, record: object, raw: bytes) -> tuple[Any, bytes]:
        assert self._process.stdin is not None
        self._process.stdin.write(pack(record, raw))
        await self._process.stdin.drain()
        return await self._read()

    async def _read(self) -> tuple[Any, bytes]:
        assert self._process.stdout is not None
        pickled, raw = FRAME.unpack(await self._process.stdout.readexactly(FRAME.size))
        record = pickle.loads(await self._process.stdout.readexactly(pickled))
        return record, await self._process.stdout.readexactly(raw)


class FileWorkers:
    """As many file workers as are wanted at once."""

    def __init__(self, count: int, *, memory_mb: int, timeout_s: float, inherited: Sequence[int]) -> None:
        self._free = asyncio.Semaphore(count)
        self._idle: list[Worker] = []
        self._memory_mb, self._timeout_s, self._inherited = memory_mb, timeout_s, inherited

    async def do(self, job: FileJob) -> Any:
        """The job's answer; a Failure where the file broke its worker, twice where memory ran out.

        Raises TaggerError where workers cannot be started at all.
        """
        async with self._free:
            for attempt in range(1 if isinstance(job, Commit) else 2):  # of a rename the file tells what became of it
                worker = self._waiting_one() if attempt == 0 else None
                worker = worker or await self._started()
                try:
                    answer, raw = await worker.ask(job, b"", self._timeout_s)
                except WorkerDiedError as error:
                    return Failure(stage=_stage(job), reason="the file broke its reader", detail=str(error))
                if isinstance(answer, Broken):  # perhaps the worker was worn out: once more with a fresh one
                    await worker.kill()
                    continue
                self._idle.append(worker)
                if isinstance(answer, Decoded):
                    return Decoded(samples=raw, chunks=answer.chunks, length_seconds=answer.length_seconds)
                return answer
            return Failure(stage=_stage(job), reason="not enough memory to read it", detail=answer.detail)

    def _waiting_one(self) -> Worker | None:
        self._idle = [worker for worker in self._idle if worker.alive]
        return self._idle.pop() if self._idle else None

    async def close(self) -> None:
        """Idle workers go; those at work stay."""
        workers, self._idle = self._idle, []
        await asyncio.gather(*(worker.close() for worker in workers))

    async def _started(self) -> Worker:
        module = "tagger.daemon.file_worker"
        worker = await Worker.start(module, str(self._memory_mb), inherited=self._inherited)
        word = await worker.first_word(60)
        if isinstance(word, Broken):
            raise TaggerError(f"a file worker could not start: {word.detail}")
        return worker


class ModelWorker:
    """The process with the network; recordings that wait together are heard together."""

    def __init__(self, bundle: str, device: str, *, batch: int, timeout_s: float, inherited: Sequence[int]) -> None:
        self._bundle, self._device = bundle, device
        self._batch, self._timeout_s, self._inherited = batch, timeout_s, inherited
        self._worker: Worker | None = None
        self._waiting: list[tuple[Decoded, asyncio.Future[Analysis | Failure]]] = []
        self._busy = asyncio.Lock()

    async def hear(self, decoded: Decoded) -> Analysis | Failure:
        """Raises TaggerError where the bundle cannot be used."""
        future: asyncio.Future[Analysis | Failure] = asyncio.get_running_loop().create_future()
        self._waiting.append((decoded, future))
        async with self._busy:
            if not future.done():
                await self._hear_waiting()
        return await future

    async def use(self, bundle: str) -> None:
        """Another bundle from now on."""
        await self.close()
        self._bundle = bundle

    async def close(self) -> None:
        async with self._busy:
            if self._worker is not None:
                await self._worker.close()
            self._worker = None

    async def _hear_waiting(self) -> None:
        batch, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
        try:
            answers = await self._heard([decoded for decoded, _ in batch])
            if answers is None:  # one of them broke it: each by itself
                alone = [await self._heard([decoded]) for decoded, _ in batch]
                answers = [answer[0] if answer else _UNHEARD for answer in alone]
        except TaggerError as error:
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)

    async def _heard(self, recordings: Sequence[Decoded]) -> list[Analysis | Failure] | None:
        """None where the worker died or ran out of memory over them."""
        if self._worker is None:
            self._worker = await self._started()
        bare = [Decoded(samples=b"", chunks=one.chunks, length_seconds=one.length_seconds) for one in recordings]
        job = Hear(bare, [len(one.samples) for one in recordings])
        try:
            answer, _ = await self._worker.ask(job, b"".join(one.samples for one in recordings), self._timeout_s)
        except WorkerDiedError:
            self._worker = None
            return None
        return None if isinstance(answer, Broken) else answer

    async def _started(self) -> Worker:
        worker = await Worker.start("tagger.daemon.model_worker", self._bundle, self._device, inherited=self._inherited)
        word = await worker.first_word(120)
        if isinstance(word, Broken):
            raise TaggerError(word.detail)
        return worker


_UNHEARD = Failure(stage=Stage.ANALYZE, reason="the network could not hear it")


def _stage(job: FileJob) -> Stage:
    if isinstance(job, Inspect):
        return Stage.INSPECT
    return Stage.DECODE if isinstance(job, Decode) else Stage.WRITE


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
