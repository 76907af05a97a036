"""Networks by the name that a bundle gives: what the trainer can train, the daemon can run."""

from collections.abc import Callable, Mapping
from typing import Any

from tagger.analysis.networks.late_fusion import LateFusion

NETWORKS: Mapping[str, Callable[..., LateFusion]] = {"late-fusion": LateFusion}


def build(config: Mapping[str, Any]) -> LateFusion:
    """An untrained network; `config` holds "kind" and the arguments of its class. Raises KeyError for another kind."""
    arguments = dict(config)
    return NETWORKS[arguments.pop("kind")](**arguments)
