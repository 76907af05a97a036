"""Losses over partial labels: a candidate set allows several truths, a clip without a label says nothing."""

from collections.abc import Mapping

import torch
from torch import Tensor

from tagger.analysis.networks.late_fusion import Answers
from trainer.targets import SOFTMAX_HEADS, Targets

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


def head_loss(head: str, output: Tensor, targets: Targets) -> Tensor:
    """Weighted mean over the rows that have the label; 0 where none has it."""
    weight = targets.known[head].float() * targets.weights
    loss = candidate_loss if head in SOFTMAX_HEADS else rating_loss
    return (loss(output, targets.values[head]) * weight).sum() / weight.sum().clamp_min(1.0)


def answers_loss(answers: Answers, targets: Targets, weights: Mapping[str, float], source_weight: float) -> Tensor:
    """The multi-task loss of the mixed answers, and `source_weight` times that of each source by itself."""
    total = torch.zeros(())
    for head, weight in weights.items():
        total = total + weight * head_loss(head, answers.outputs[head], targets)
        for source in answers.sources[head].unbind(dim=1):
            share = source_weight / answers.sources[head].shape[1]
            total = total + weight * share * head_loss(head, source, targets)
    return total
