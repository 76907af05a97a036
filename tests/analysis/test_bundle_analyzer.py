"""A bundle proves what it holds, and gives the same answers alone and in company."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.analysis.emotion import emotion
from tagger.analysis.features import FeatureSpec
from tagger.analysis.header import default_bundle, parse, read_header
from tagger.analysis.networks.late_fusion import LateFusion, multiply_adds
from tagger.records import Decoded, TaggerError
from tagger.vocabulary import EMOTION_WORDS, GENRES, MOODS
from tests import bundles
from tests.audio import music


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "b.safetensors"
    bundles.untrained(path, temperature=1.0)
    return path


def decoded(seed: int, seconds: float = 20.0) -> Decoded:
    sound = music(seconds, 16_000, seed).mean(axis=1)[: int(seconds * 16_000)]
    chunks = int(seconds // 5)
    samples = (sound[: chunks * 80_000] * 32_767).astype("<i2")
    return Decoded(samples=samples.tobytes(), chunks=chunks, length_seconds=seconds)


def test_the_same_bundle_is_the_same_bytes(bundle_path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    header = bundles.untrained(again, temperature=1.0)
    assert again.read_bytes() == bundle_path.read_bytes()
    assert read_header(again) == header
    assert header.id == f"untrained-1-{header.sha256[:12]}"


@pytest.mark.parametrize("where", ["text", "tensor"])
def test_a_changed_bundle_is_refused(bundle_path: Path, tmp_path: Path, where: str) -> None:
    content = bytearray(bundle_path.read_bytes())
    at = content.index(b"untrained") if where == "text" else len(content) - 100
    content[at] ^= 1
    changed = tmp_path / "changed.safetensors"
    changed.write_bytes(content)
    with pytest.raises(TaggerError, match="wrong content hash"):
        load(changed)


@pytest.mark.parametrize("head", ["genre", "mood", "rated", "words"])
def test_a_bundle_without_our_labels_is_refused_by_name(bundle_path: Path, head: str) -> None:
    config = dict(read_header(bundle_path).config)
    for labels in ({k: v for k, v in config["labels"].items() if k != head}, {**config["labels"], head: ["noise"]}):
        with pytest.raises(ValueError, match=f"labels of {head} are not"):
            parse(json.dumps(config | {"labels": labels}), "0" * 64)


@pytest.mark.parametrize("content", [b"", b"no bundle at all", b"\x10\0\0\0\0\0\0\0" + b"{}" + b" " * 14])
def test_what_is_no_bundle_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(TaggerError, match="no tagger bundle"):
        read_header(path)
    with pytest.raises(TaggerError, match="No such file"):
        read_header(tmp_path / "gone.safetensors")


def test_alone_or_in_company_the_answers_agree(bundle_path: Path) -> None:
    analyzer = Analyzer(load(bundle_path), "cpu")
    recordings = [decoded(seed, 5.0 + 10 * seed) for seed in range(3)]
    together = analyzer.analyze(recordings)
    for recording, heard in zip(recordings, together, strict=True):
        alone = analyzer.analyze([recording])[0]
        for head in ("genre", "mood"):
            for label, probability in heard.probabilities[head].items():
                assert alone.probabilities[head][label] == pytest.approx(probability, abs=1e-5)
        assert (alone.genre, alone.mood, alone.emotion) == (heard.genre, heard.mood, heard.emotion)
    assert len({heard.valence for heard in together}) == 3


def test_an_analysis_is_made_of_probabilities(bundle_path: Path) -> None:
    heard = Analyzer(load(bundle_path), "cpu").analyze([decoded(0)])[0]
    assert set(heard.probabilities["genre"]) == set(GENRES)
    assert set(heard.probabilities["mood"]) == set(MOODS)
    for labels in heard.probabilities.values():
        assert sum(labels.values()) == pytest.approx(1)
    assert heard.genre_confidence == max(heard.probabilities["genre"].values())
    assert all(0 <= value <= 1 for value in (heard.valence, heard.arousal, heard.dominance))
    assert len(np.frombuffer(heard.embedding, dtype="<f2")) == 256


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error(bundle_path: Path) -> None:
    with pytest.raises(TaggerError, match="cuda"):
        Analyzer(load(bundle_path), "cuda")


def test_emotion_words_tile_the_plane() -> None:
    cuts = {"valence": (0.4, 0.6), "arousal": (0.3, 0.7)}
    places = [(valence, arousal) for arousal in (0.9, 0.5, 0.1) for valence in (0.1, 0.5, 0.9)]
    assert tuple(emotion(valence, arousal, cuts) for valence, arousal in places) == EMOTION_WORDS


def test_the_default_bundle_is_small_and_cheap() -> None:
    path = default_bundle()
    assert path.stat().st_size <= 10_000_000
    bundle = load(path)
    assert isinstance(bundle.network, LateFusion)
    with torch.inference_mode():
        features = bundle.features(torch.zeros(1, 80_000))
    assert sum(multiply_adds(bundle.network, features, 5.0).values()) < 15e6
    assert FeatureSpec.of(bundle.header.config["features"]).f_max_hz == 7_500
    few = {"ambient", "disco", "folk", "latin", "metal", "pop", "r&b", "soundtrack"}
    assert {label for label, gate in bundle.header.gates["genre"].items() if gate == 0.7} == few
    for word in ("Limits", "Licence", "Figures", "mn04"):
        assert word in bundle.header.card
