"""The process that opens users' files: `python -m tagger.daemon.file_worker PARENT MEMORY_MB`."""

import errno
import sys
from typing import assert_never

from tagger.analysis import decode
from tagger.daemon import jobs, worker_process
from tagger.daemon.jobs import Broken, FileJob, Proposed, Ready, pack
from tagger.records import Decoded, Edit, Failure, Stage
from tagger.tags import edit, inspect, recover, rehearsal, undo, write

_OUR_OWN = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


def main() -> None:
    parent, memory_mb = map(int, sys.argv[1:3])
    worker_process.die_with_parent(parent)
    questions, answers = worker_process.pipes()
    worker_process.limit_memory(memory_mb)
    answers.write(pack(Ready({})))
    worker_process.serve(questions, answers, _answer)


def _answer(job: FileJob, _: bytes) -> tuple[object, bytes]:
    try:
        result = _do(job)
    except (MemoryError, ImportError) as error:
        return Broken(f"{type(error).__name__}: {error}"), b""
    except OSError as error:
        if error.errno in _OUR_OWN:
            return Broken(str(error)), b""
        return Failure(stage=_stage(job), reason="input or output error", detail=str(error)), b""
    if isinstance(result, Decoded):
        return Decoded(samples=b"", chunks=result.chunks, length_seconds=result.length_seconds), result.samples
    return result, b""


def _do(job: FileJob) -> object:
    match job:
        case jobs.Inspect(path, known):
            return inspect.inspect(path, known)
        case jobs.Decode(path, plan, rate_hz):
            return decode.read(path, plan, rate_hz)
        case jobs.Propose():
            return _propose(job)
        case jobs.Prepare(wanted):
            return write.prepare(wanted)
        case jobs.PrepareUndo(path, rows, policy, selected):
            return undo.prepare_undo(path, rows, policy, selected)
        case jobs.PlanUndo(path, rows, policy, selected):
            return undo.foresee_undo(path, rows, policy, selected)
        case jobs.Commit(prepared):
            return write.commit(prepared)
        case jobs.MakeDurable(directory):
            write.make_durable(directory)
            return None
        case jobs.Abort(prepared):
            write.abort(prepared)
            return None
        case jobs.Settle(prepared):
            return recover.settle(prepared)
        case jobs.RemoveStrays(directory, keep):
            return recover.remove_strays(directory, keep)
        case _:
            assert_never(job)


def _propose(job: jobs.Propose) -> Proposed | Failure:
    inspection = inspect.inspect(job.path, job.known)
    if isinstance(inspection, Failure):
        return inspection
    proposal = edit.propose(inspection, job.analysis, job.policy, job.history, job.now)
    if job.dry_run and isinstance(proposal, Edit):
        return Proposed(inspection, rehearsal.rehearse(proposal) or proposal)
    return Proposed(inspection, proposal)


def _stage(job: FileJob) -> Stage:
    match job:
        case jobs.Inspect():
            return Stage.INSPECT
        case jobs.Decode():
            return Stage.DECODE
        case _:
            return Stage.WRITE


if __name__ == "__main__":
    main()
