"""A bundle: a trained network with all that it takes to run it, in one safetensors file that proves its own content."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tagger.analysis.features import Features, FeatureSpec
from tagger.analysis.header import BundleHeader, content_hash, parse, read_header, verify
from tagger.analysis.networks.late_fusion import LateFusion
from tagger.analysis.networks.registry import build
from tagger.records import TaggerError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bundle:
    header: BundleHeader
    features: Features
    network: LateFusion


def load(path: Path) -> Bundle:
    """The bundle, its hash verified before anything of it is used. Raises TaggerError saying what is wrong."""
    header = read_header(path)
    verify(path, header)
    try:
        tensors = load_file(path)
        features = Features(FeatureSpec.of(header.config["features"]))
        network = build(header.config["network"])
        features.load_state_dict(_below("features.", tensors))
        network.load_state_dict(_below("network.", tensors))
    except (KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise TaggerError(f"bundle {path} holds a network that this program does not know ({error})") from error
    return Bundle(header=header, features=features.eval(), network=network.eval())


def save(path: Path, config: Mapping[str, Any], features: Features, network: LateFusion) -> BundleHeader:
    """Writes a bundle; the same arguments give the same bytes. Raises KeyError where `config` is incomplete."""
    tensors = {f"features.{name}": value for name, value in features.state_dict().items()}
    tensors |= {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in sorted(tensors.items())}
    text = json.dumps(config, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    unsigned = safetensors.torch.save(tensors, metadata={"tagger": text})
    digest = content_hash(unsigned)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(_signed(unsigned, digest))
    part.replace(path)
    return parse(text, digest)


def _signed(content: bytes, digest: str) -> bytes:
    """The file with its hash in the header, whose keys are sorted: the same bundle is the same bytes."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["sha256"] = digest
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
