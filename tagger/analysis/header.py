"""What a bundle says of itself, read without torch: labels, plan, gates, identity."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagger.analysis.chunks import ChunkPlan
from tagger.records import TaggerError
from tagger.vocabulary import GENRES, MOODS

FORMAT = 1
"""Of the JSON text in a bundle's header; a bundle of another one is refused."""
_LONGEST_HEADER = 8 << 20
HEADS = {
    "genre": GENRES,
    "mood": MOODS,
    "rated": ("valence", "arousal"),
    "words": ("valence", "arousal", "dominance"),
}
"""What each bundle must answer, label by label: the catalog and its queries know these words. It may have more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleHeader:
    """A bundle's configuration; `config` is the whole of it, as stored."""

    id: str  # name-version-first 12 digits of the content hash
    sha256: str
    name: str
    version: str
    labels: Mapping[str, tuple[str, ...]]  # head -> names of its outputs
    sample_rate_hz: int
    plan: ChunkPlan
    temperatures: Mapping[str, float]  # softmax head -> temperature
    gates: Mapping[str, Mapping[str, float]]  # "genre" or "mood" -> label -> least confidence for the standard field
    music_threshold: float  # least probability of music for a recording to be taken for music; 0: all are
    emotion_cuts: Mapping[str, tuple[float, float]]  # "valence" and "arousal" -> where low ends, where high begins
    card: str  # Markdown
    config: Mapping[str, Any]


def default_bundle() -> Path:
    """The bundle that comes with the program."""
    return Path(__file__).parent / "bundles" / "default" / "tagger-default.safetensors"


def read_header(path: Path) -> BundleHeader:
    """Raises TaggerError for a file that is not there, no bundle, or of another format. Does not verify the hash."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _LONGEST_HEADER:
                raise ValueError("no safetensors header")
            metadata = json.loads(file.read(length))["__metadata__"]
        return parse(metadata["tagger"], metadata["sha256"])
    except OSError as error:
        raise TaggerError(f"bundle {path}: {error.strerror}; `tagger model show` names the one that is used") from error
    except (KeyError, ValueError, TypeError) as error:
        raise TaggerError(f"bundle {path} is no tagger bundle ({error}); export one with `trainer export`") from error


def verify(path: Path, header: BundleHeader) -> None:
    """Raises TaggerError where the file does not hold what its hash says."""
    if content_hash(path.read_bytes()) != header.sha256:
        raise TaggerError(f"bundle {path} has a wrong content hash: it is damaged or was changed; install it again")


def content_hash(content: bytes) -> str:
    """SHA-256 over a bundle's JSON text and, in the order of their names, its tensors' names, types, shapes, bytes.

    Raises KeyError, ValueError or TypeError where `content` is no safetensors file with our metadata.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    digest = hashlib.sha256(header.pop("__metadata__")["tagger"].encode())
    data = memoryview(content)[8 + length :]
    for name, tensor in sorted(header.items()):
        start, stop = tensor["data_offsets"]
        digest.update(f"\0{name}\0{tensor['dtype']}\0{tensor['shape']}\0".encode())
        digest.update(data[start:stop])
    return digest.hexdigest()


def parse(text: str, sha256: str) -> BundleHeader:
    """The header of a bundle's JSON text. Raises KeyError, ValueError or TypeError where it is not one."""
    config = json.loads(text)
    if config["format"] != FORMAT:
        raise ValueError(f"format {config['format']}, this program reads {FORMAT}")
    for head, names in HEADS.items():
        if tuple(config["labels"].get(head, ())) != names:
            raise ValueError(f"its labels of {head} are not {', '.join(names)}")
    return BundleHeader(
        id=f"{config['name']}-{config['version']}-{sha256[:12]}",
        sha256=sha256,
        name=config["name"],
        version=config["version"],
        labels={head: tuple(names) for head, names in config["labels"].items()},
        sample_rate_hz=config["sample_rate_hz"],
        plan=ChunkPlan(**config["plan"]),
        temperatures=config["calibration"],
        gates=config["gates"],
        music_threshold=config.get("music_threshold", 0.0),
        emotion_cuts={axis: (cuts[0], cuts[1]) for axis, cuts in config["emotion_cuts"].items()},
        card=config["card"],
        config=config,
    )
