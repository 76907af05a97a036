"""From chunks to an analysis: the only way in which the program and the trainer's evaluation hear anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tagger.analysis.bundle import Bundle
from tagger.analysis.calibration import calibrated
from tagger.analysis.emotion import emotion
from tagger.records import Analysis, Decoded, TaggerError

CHUNKS_AT_ONCE = 24
"""Bounds the memory of a pass: about 60 MB for the default network."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pooled:
    """What the network says of one recording before calibration: means over its chunks."""

    outputs: Mapping[str, NDArray[np.float64]]  # head -> log-probabilities, or numbers in [0, 1]
    embedding: NDArray[np.float32]


class Analyzer:
    """A bundle on a device. `device` is auto, cpu or cuda; auto takes a GPU where there is one.

    Raises TaggerError where cuda is asked for and there is none.
    """

    def __init__(self, bundle: Bundle, device: str = "auto") -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise TaggerError("device = cuda, but PyTorch finds no CUDA GPU; set device = auto or cpu")
        self.header = bundle.header
        self._device = torch.device(
            "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
        )
        self._features = bundle.features.to(self._device)
        self._network = bundle.network.to(self._device)
        self._network.mel.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on CPUs

    def outputs(self, recordings: Sequence[Decoded]) -> list[Pooled]:
        """Uncalibrated answers, one a recording: chunks of several recordings share a pass."""
        length = self.header.plan.length(self.header.sample_rate_hz)
        chunks = [np.frombuffer(decoded.samples, dtype="<i2").reshape(decoded.chunks, length) for decoded in recordings]
        heads, embeddings = self._heard(np.concatenate(chunks))
        ends = np.cumsum([len(part) for part in chunks])
        return [
            Pooled(
                outputs={head: values[end - len(part) : end].mean(axis=0) for head, values in heads.items()},
                embedding=embeddings[end - len(part) : end].mean(axis=0),
            )
            for part, end in zip(chunks, ends, strict=True)
        ]

    def analyze(self, recordings: Sequence[Decoded]) -> list[Analysis]:
        """Calibrated analyses, one a recording, in order."""
        return [
            self._analysis(pooled, decoded.chunks)
            for pooled, decoded in zip(self.outputs(recordings), recordings, strict=True)
        ]

    def _heard(self, chunks: NDArray[np.int16]) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float32]]:
        """Answers for (chunks, samples): head -> (chunks, n), and embeddings (chunks, width)."""
        heads: dict[str, list[NDArray[np.float64]]] = {head: [] for head in self.header.labels}
        embeddings = []
        with torch.inference_mode():
            for start in range(0, len(chunks), CHUNKS_AT_ONCE):
                part = torch.from_numpy(chunks[start : start + CHUNKS_AT_ONCE].astype(np.float32) / 32_768)
                answers = self._network(self._features(part.to(self._device)))
                for head, values in heads.items():
                    values.append(answers.outputs[head].double().cpu().numpy())
                embeddings.append(answers.embedding.float().cpu().numpy())
        return {head: np.concatenate(values) for head, values in heads.items()}, np.concatenate(embeddings)

    def _analysis(self, pooled: Pooled, chunks: int) -> Analysis:
        header = self.header
        probabilities = {
            head: dict(zip(header.labels[head], calibrated(pooled.outputs[head], temperature).tolist(), strict=True))
            for head, temperature in header.temperatures.items()
        }
        genre, mood = (max(probabilities[head], key=probabilities[head].__getitem__) for head in ("genre", "mood"))
        valence, arousal = pooled.outputs["rated"].tolist()
        dominance = dict(zip(header.labels["words"], pooled.outputs["words"].tolist(), strict=True))["dominance"]
        return Analysis(
            bundle_id=header.id,
            genre=genre,
            genre_confidence=probabilities["genre"][genre],
            mood=mood,
            mood_confidence=probabilities["mood"][mood],
            emotion=emotion(valence, arousal, header.emotion_cuts),
            valence=valence,
            arousal=arousal,
            dominance=dominance,
            probabilities=probabilities,
            embedding=pooled.embedding.astype("<f2").tobytes(),
            chunks=chunks,
            is_music=probabilities.get("music", {}).get("music", 1.0) >= header.music_threshold,
        )
