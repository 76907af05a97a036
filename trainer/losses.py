"""Losses over partial labels: a candidate set allows several truths, a clip without a label says nothing."""

from collections.abc import Mapping

import torch
from torch import Tensor

from tagger.analysis.networks.late_fusion import Answers
from trainer.targets import Targets

RATING_DEVIATION = 0.2
"""Ratings in [0, 1] spread about so much: squared errors in its units are of the size of a cross-entropy."""


def candidate_loss(log_probabilities: Tensor, candidates: Tensor) -> Tensor:
    """-ln of the probability that the truth is among the candidates, per row; both (batch, labels).

    The loss for partial labels of Jin and Ghahramani, "Learning with multiple labels", NIPS 2002. Rows without a
    candidate give 0.
    """
    known = candidates.sum(dim=-1) > 0
    inside = log_probabilities.masked_fill(candidates == 0, float("-inf"))
    inside = torch.where(known.unsqueeze(-1), inside, torch.zeros_like(inside))
    return torch.where(known, -torch.logsumexp(inside, dim=-1), torch.zeros_like(inside[..., 0]))


def rating_loss(ratings: Tensor, truth: Tensor) -> Tensor:
    """Squared error per row in units of RATING_DEVIATION, mean over the numbers of a rating."""
    return ((ratings - truth) / RATING_DEVIATION).square().mean(dim=-1)


def share_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross-entropy per row against each label's share of the truth, both (batch, labels)."""
    return -(shares * torch.log_softmax(logits, dim=-1)).sum(dim=-1)


def log_shares(candidates: Tensor, weights: Tensor) -> Tensor:
    """ln of each label's share of the clips; a clip with several candidates counts in parts to each of them."""
    parts = candidates / candidates.sum(dim=1, keepdim=True).clamp_min(1) * weights.unsqueeze(1)
    counts = 1 + parts.sum(dim=0)
    return torch.log(counts / counts.sum())


def head_loss(head: str, output: Tensor, targets: Targets, priors: Mapping[str, Tensor]) -> Tensor:
    """Weighted mean over the rows that have the label; 0 where none has it.

    A head's prior is added to its log-probabilities while it learns, so that a rare label is not talked down for being
    rare (logit adjustment: Menon and others, "Long-tail learning via logit adjustment", ICLR 2021).
    """
    if head in priors:
        output = torch.log_softmax(output + priors[head], dim=-1)
    weight = targets.known[head].float() * targets.weights
    return (_LOSSES[head](output, targets.values[head]) * weight).sum() / weight.sum().clamp_min(1.0)


_LOSSES = {
    "genre": candidate_loss,
    "mood": share_loss,
    "cluster": share_loss,
    "tags": share_loss,
    "gems": rating_loss,
    "rated": rating_loss,
    "words": rating_loss,
}


def answers_loss(
    answers: Answers,
    targets: Targets,
    weights: Mapping[str, float],
    source_weight: float,
    priors: Mapping[str, Tensor],
) -> Tensor:
    """The multi-task loss of the mixed answers, and `source_weight` times that of each source by itself."""
    total = torch.zeros(())
    for head, weight in weights.items():
        if head in answers.outputs:
            total = total + weight * head_loss(head, answers.outputs[head], targets, priors)
        for source in answers.sources[head].unbind(dim=1) if head in answers.sources else ():
            share = source_weight / answers.sources[head].shape[1]
            total = total + weight * share * head_loss(head, source, targets, priors)
    return total
