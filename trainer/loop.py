"""The loop of every training: one cycle of learning rates, a running average, and a state to go on from.

What a step learns depends on the seed and its number alone: a training that was killed ends in the same numbers.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter

from trainer.checkpoint import load_state, save_state
from trainer.recipe import DistillRecipe, FitRecipe
from trainer.samples import Progress

SAVE_EVERY_STEPS = 100
Learning = TypeVar("Learning", bound=nn.Module)


def learn(
    learner: Learning,
    rates: Sequence[tuple[float, Sequence[nn.Parameter]]],
    loss_of: Callable[[int], Tensor],
    recipe: DistillRecipe | FitRecipe,
    state_file: Path,
    what: str,
    progress: Progress,
) -> Learning:
    """The running average of `learner` after `recipe.crops`; `loss_of` a step is what AdamW makes smaller.

    `rates` are peaks of the learning rate, each with the parameters that learn at it.
    """
    groups = [{"params": list(parameters), "peak": peak} for peak, parameters in rates]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    average = AveragedModel(learner, multi_avg_fn=ema(recipe.average), use_buffers=True)
    parts: dict[str, Any] = {"learner": learner, "average": average, "optimizer": optimizer}
    step, steps = 0, recipe.crops // recipe.batch
    if state := load_state(state_file):
        step = state["step"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
    log = SummaryWriter(state_file.parent / "logs", purge_step=step)
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = one_cycle(step, steps, group["peak"])
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average.update_parameters(learner)
        step += 1
        log.add_scalar(f"{what}/loss", loss.item(), step)
        progress(step, steps, f"{what}, loss {loss.item():.3f}")
        if step % SAVE_EVERY_STEPS == 0:
            save_state(state_file, {"step": step} | {name: part.state_dict() for name, part in parts.items()})
    log.close()
    averaged = average.module
    assert isinstance(averaged, type(learner))
    return averaged.eval()


def ema(decay: float) -> Callable[..., None]:
    """Running average of weights: `decay` of the old and the rest of the new, each step."""
    return get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call,no-any-return]


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate: up over the first quarter, down to nothing over the rest, by half cosines (Smith 2018)."""
    turn = max(1, steps // 4)
    along = step / turn if step < turn else 1 - (step - turn) / max(1, steps - turn)
    return float(peak * (0.04 + 0.96 * (0.5 - 0.5 * np.cos(np.pi * along))))
