"""An evaluation of the model, with what was reported beside it: the losses, the training accuracy and the LR.

Logs print these in one record or in several, the training figures once an epoch or once in some batches. So what came
since the evaluation before counts as this one's: the mean of the training figures, and the last validation loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trackside_service.domain.metrics import LR, TRAIN_ACC, TRAIN_LOSS, VAL_LOSS
from trackside_service.rules.places import Place
from trackside_service.rules.sharing import shared


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was reported since the last evaluation; the LR stays until another is.

    A `val_loss` that is not finite is infinite here: as bad as can be. Of the training figures only finite values
    count.
    """

    lr: float | None = None
    val_loss: float | None = None
    train_acc: float = 0.0
    train_accs: int = 0
    train_loss: float = 0.0
    train_losses: int = 0


NOTHING: Final = Gathered()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finite `score` at `place`, and what stood beside it: None where nothing did."""

    place: Place
    score: float
    val_loss: float | None = None
    train_acc: float | None = None
    train_loss: float | None = None
    lr: float | None = None


@shared
def gather(gathered: Gathered, values: Mapping[str, float]) -> Gathered:
    """Return what is gathered after a record with these `values`."""
    lr, val_loss = values.get(LR), values.get(VAL_LOSS)
    train_acc, train_loss = values.get(TRAIN_ACC), values.get(TRAIN_LOSS)
    if lr is None and val_loss is None and train_acc is None and train_loss is None:
        return gathered
    acc, accs = gathered.train_acc, gathered.train_accs
    loss, losses = gathered.train_loss, gathered.train_losses
    if train_acc is not None and math.isfinite(train_acc):
        acc, accs = acc + train_acc, accs + 1
    if train_loss is not None and math.isfinite(train_loss):
        loss, losses = loss + train_loss, losses + 1
    return Gathered(
        lr if lr is not None and math.isfinite(lr) else gathered.lr,
        gathered.val_loss if val_loss is None else val_loss if math.isfinite(val_loss) else math.inf,
        acc,
        accs,
        loss,
        losses,
    )


@shared
def evaluate(gathered: Gathered, score: float, place: Place) -> tuple[Gathered, Evaluation]:
    """Return what is gathered after an evaluation, and the evaluation with what was gathered before it."""
    accs, losses = gathered.train_accs, gathered.train_losses
    one = Evaluation(
        place,
        score,
        gathered.val_loss,
        gathered.train_acc / accs if accs else None,
        gathered.train_loss / losses if losses else None,
        gathered.lr,
    )
    return Gathered(gathered.lr), one


def dump_gathered(gathered: Gathered) -> list[Any]:
    """Return it as JSON values (floats may be non-finite)."""
    accs, losses = (gathered.train_acc, gathered.train_accs), (gathered.train_loss, gathered.train_losses)
    return [gathered.lr, gathered.val_loss, *accs, *losses]


def load_gathered(data: Sequence[Any]) -> Gathered:
    """Undo `dump_gathered`."""
    return Gathered(*data)
