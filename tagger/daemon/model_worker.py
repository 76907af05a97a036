"""The process that has the network: `python -m tagger.daemon.model_worker PARENT BUNDLE DEVICE`."""

import os
import sys
from pathlib import Path

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.daemon import worker_process
from tagger.daemon.jobs import Broken, Hear, Ready, pack
from tagger.records import Decoded, TaggerError


def main() -> None:
    parent, bundle, device = sys.argv[1:4]
    worker_process.die_with_parent(int(parent))
    questions, answers = worker_process.pipes()
    try:
        analyzer = Analyzer(load(Path(os.fsdecode(os.fsencode(bundle)))), device)
    except TaggerError as error:
        answers.write(pack(Broken(str(error))))
        return
    answers.write(pack(Ready({"bundle_id": analyzer.header.id})))
    worker_process.serve(questions, answers, lambda job, raw: (_hear(analyzer, job, raw), b""))


def _hear(analyzer: Analyzer, job: Hear, raw: bytes) -> object:
    recordings, start = [], 0
    for decoded, size_bytes in zip(job.recordings, job.sizes_bytes, strict=True):
        samples = raw[start : start + size_bytes]
        recordings.append(Decoded(samples=samples, chunks=decoded.chunks, length_seconds=decoded.length_seconds))
        start += size_bytes
    try:
        return analyzer.analyze(recordings)
    except (MemoryError, RuntimeError) as error:  # torch says RuntimeError for memory, too
        return Broken(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
