"""thin"""
import os
import av
import numpy as np

def straight(path: bytes, rate_hz: int) -> np.ndarray:
    out = []
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
    with av.open(os.fsdecode(path)) as container:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            out += [r.to_ndarray()[0] for r in resampler.resample(frame)]
        out += [r.to_ndarray()[0] for r in resampler.resample(None)]
    return np.concatenate(out) if out else np.zeros(0, np.int16)
