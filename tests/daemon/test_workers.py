"""Worker processes under their limits: a file that hangs or eats memory is a failure, and the next file is read."""

import asyncio
import os
from pathlib import Path

from tagger.analysis.chunks import ChunkPlan
from tagger.daemon import jobs
from tagger.daemon.workers import FileWorkers
from tagger.records import Decoded, Failure, Inspection, Stage
from tests.audio import write_audio

PLAN, RATE_HZ = ChunkPlan(), 16_000


def test_a_file_that_takes_too_long_is_blamed_and_its_worker_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "never.mp3"  # opening it to read waits for a writer that never comes
    os.mkfifo(pipe)
    song = write_audio(tmp_path, "flac", 3.0)

    async def work() -> tuple[object, object]:
        workers = FileWorkers(1, memory_mb=512, timeout_s=5, inherited=())
        try:
            hung = await workers.do(jobs.Decode(os.fsencode(pipe), PLAN, RATE_HZ))
            return hung, await workers.do(jobs.Decode(os.fsencode(song), PLAN, RATE_HZ))
        finally:
            await workers.close()

    hung, heard = asyncio.run(work())
    assert isinstance(hung, Failure)
    assert (hung.stage, hung.reason) == (Stage.DECODE, "the file broke its reader")
    assert "5 s" in hung.detail
    assert isinstance(heard, Decoded)


def test_memory_that_runs_out_is_never_taken_for_a_damaged_file(tmp_path: Path) -> None:
    song = write_audio(tmp_path, "wav", 240.0)

    async def work() -> object:
        workers = FileWorkers(1, memory_mb=2, timeout_s=60, inherited=())
        try:
            return await workers.do(jobs.Decode(os.fsencode(song), ChunkPlan(chunk_seconds=240, chunks=1), RATE_HZ))
        finally:
            await workers.close()

    answer = asyncio.run(work())
    assert isinstance(answer, Failure)
    assert answer.reason == "not enough memory to read it"


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    song = write_audio(tmp_path, "flac", 3.0)

    async def work() -> object:
        workers = FileWorkers(2, memory_mb=512, timeout_s=60, inherited=())
        try:
            return await asyncio.gather(*(workers.do(jobs.Inspect(os.fsencode(song), None)) for _ in range(4)))
        finally:
            await workers.close()

    answers = asyncio.run(work())
    assert isinstance(answers, list)
    assert all(isinstance(answer, Inspection) for answer in answers)
    assert len({answer.identity for answer in answers}) == 1
