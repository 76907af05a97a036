"""A bundle: a trained network with all that it takes to run it, in one safetensors file that proves its own content."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tagger.analysis.features import Features, FeatureSpec
from tagger.analysis.header import BundleHeader, parse, read_header
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
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TaggerError(f"bundle {path} is damaged ({error}); install it again") from error
    text = _text(header.config)
    if _digest(text, tensors) != header.sha256:
        raise TaggerError(f"bundle {path} has a wrong content hash: it is damaged or was changed; install it again")
    try:
        features = Features(FeatureSpec.of(header.config["features"]))
        network = build(header.config["network"])
        features.load_state_dict(_below("features.", tensors))
        network.load_state_dict(_below("network.", tensors))
    except (KeyError, TypeError, RuntimeError) as error:
        raise TaggerError(f"bundle {path} holds a network that this program does not know ({error})") from error
    return Bundle(header=header, features=features.eval(), network=network.eval())


def save(path: Path, config: Mapping[str, Any], features: Features, network: LateFusion) -> BundleHeader:
    """Writes a bundle; the same arguments give the same bytes. Raises KeyError where `config` is incomplete."""
    tensors = {f"features.{name}": value for name, value in features.state_dict().items()}
    tensors |= {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in sorted(tensors.items())}
    text = _text(config)
    digest = _digest(text, tensors)
    header = parse(text, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata={"sha256": digest, "tagger": text})
    part.write_bytes(_ordered(part.read_bytes()))
    part.replace(path)
    return header


def _text(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _ordered(content: bytes) -> bytes:
    """The file with the keys of its header sorted: safetensors writes its metadata in no fixed order."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
