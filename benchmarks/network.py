"""The network itself: parameters, multiply-adds a second of audio, CPU of decoding, features and network."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import music
from benchmarks.figure import Figure
from tagger.analysis import bundle as bundles
from tagger.analysis import decode
from tagger.analysis.header import default_bundle


def measure() -> list[Figure]:
    torch.set_num_threads(1)
    bundle = bundles.load(Path(os.environ.get("TAGGER_BENCH_BUNDLE") or default_bundle()))
    header = bundle.header
    seconds = header.plan.chunk_seconds
    tracks = music.tracks(8)
    with torch.inference_mode():
        decoded, decode_s = _timed(
            lambda: [decode.read(os.fsencode(t), header.plan, header.sample_rate_hz) for t in tracks]
        )
        samples = _samples(decoded)
        _features_of(bundle, samples[0])
        features, features_s = _timed(lambda: [_features_of(bundle, part) for part in samples])
        _, network_s = _timed(lambda: [bundle.network(part) for part in features])
        adds = multiply_adds(bundle.network, lambda: bundle.network(_features_of(bundle, samples[0][:1]))) / seconds
    parameters = sum(parameter.numel() for parameter in bundle.network.parameters())
    per_track = {"decode": decode_s, "features": features_s, "network": network_s}
    return [
        Figure(
            what="multiply-adds a second of audio",
            ours=f"{adds / 1e6:.1f} million",
            yardstick="15 million",
            ratio=adds / 15e6,
            bar="1",
        ),
        Figure(what="parameters", ours=f"{parameters / 1e6:.2f} million", yardstick=""),
        *(
            Figure(what=f"CPU a track: {k}", ours=f"{v / len(tracks):.3f} s", yardstick="")
            for k, v in per_track.items()
        ),
    ]


def multiply_adds(network: nn.Module, run: Callable[[], object]) -> int:
    """Multiply-adds of one pass: convolutions, dense layers and recurrent cells."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal total
        total += _of_layer(module, inputs[0], output)

    hooks = [layer.register_forward_hook(count) for layer in network.modules()]
    run()
    for hook in hooks:
        hook.remove()
    return total


def _of_layer(module: nn.Module, entering: Any, leaving: Any) -> int:
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        return int(leaving.numel() * module.weight[0].numel())
    if isinstance(module, nn.Linear):
        return int(leaving.numel() * module.in_features)
    if isinstance(module, nn.GRU | nn.LSTM):
        steps = entering.shape[0] * entering.shape[1]
        return int(steps * sum(p.numel() for n, p in module.named_parameters() if n.startswith("weight")))
    return 0


def _samples(decoded: list[Any]) -> list[Tensor]:
    parts = [torch.frombuffer(bytearray(one.samples), dtype=torch.int16).float() / 32_768 for one in decoded]
    return [part.reshape(one.chunks, -1) for part, one in zip(parts, decoded, strict=True)]


def _features_of(bundle: bundles.Bundle, samples: Tensor) -> Any:
    return bundle.features(samples)


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = run()
    return result, time.process_time() - started
