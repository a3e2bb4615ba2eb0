"""What the columns and words of a log mean: its place, bookkeeping that is no metric, and metrics under plain names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal

from trackside_service.domain.metrics import ALIASES, canonical

Place = Literal["epoch", "step", "inner", "time"]

_PLACES: Final[Mapping[str, Place]] = {
    **dict.fromkeys(("epoch", "epochs", "ep", "current_epoch", "epoch_num", "train/epoch"), "epoch"),
    **dict.fromkeys(("step", "steps", "global_step", "trainer/global_step", "train/global_step", "_step"), "step"),
    **dict.fromkeys(("iteration", "iterations", "iter", "it", "update", "num_updates", "current_steps"), "step"),
    **dict.fromkeys(("train_num_updates", "valid_num_updates"), "step"),
    **dict.fromkeys(("batch", "batch_idx", "iter_in_epoch", "nbatch"), "inner"),
    **dict.fromkeys(("time", "timestamp", "datetime", "date", "created_at", "wall_time", "_timestamp"), "time"),
}
# Words of which a metric's name never consists: a run's speed and its machine, its configuration, its best so far.
_BOOKKEEPING: Final = re.compile(
    r"(?:^|[_/ .-])(?:times?|timestamp|eta|elapsed|duration|seconds?|secs|speed|throughput|ips|fps|samples|tokens|flos"
    r"|memory|mem|gpu|cpu|ram|best|max|min|total|num|number|n_parameters|parameters|params|size|version|seed|runtime"
    r"|workers|patience|line|port|pid|wps|ups|wpb|bsz|wall|clip|tps|mfu|tflops|percentage|loss_scale|dt|base_lr"
    r")(?:$|[_/ .-])",
    re.IGNORECASE,
)
# Plain words that trainers print, which are not among the wire's aliases since a program would not send them. What does
# not say which data it is of stays open to the line that it stands in: `loss`, `acc`.
_WORDS: Final[Mapping[str, str]] = {
    "lm_loss": "loss",
    "lm_loss_value": "loss",
    "loss_value": "loss",
    "total_loss": "loss",
    "epoch_loss": "loss",
    "train_total_loss": "train_loss",
    "val_total_loss": "val_loss",
    "trl": "train_loss",  # llm.c and its relatives
    "tel": "val_loss",
    "learningrate": "lr",
    "lr_rate": "lr",
    "cur_lr": "lr",
    "current_lr": "lr",
    "epoch_learning_rate": "lr",
    "optim0_lr0": "lr",
    "loss_train": "train_loss",
    "loss_val": "val_loss",
    "acc_train": "train_acc",
    "acc_val": "val_acc",
    "dev_loss": "val_loss",
    "dev_acc": "val_acc",
    "dev_accuracy": "val_acc",
    "gnorm": "grad_norm",
    "gradnorm": "grad_norm",
    "train_gnorm": "grad_norm",
    "accu": "acc",
    "acc1": "acc",
    "acc@1": "acc",
    "top1_acc": "acc",
    "epoch_accuracy": "accuracy",
    "val_acc@1": "val_acc",
    "val_top1_acc": "val_acc",
    "val_accu": "val_acc",
    "accuracy/top1": "val_acc",  # mmpretrain's, which evaluates on nothing else
    "sparse_categorical_accuracy": "train_acc",
    "categorical_accuracy": "train_acc",
    "val_sparse_categorical_accuracy": "val_acc",
    "val_categorical_accuracy": "val_acc",
}
# One rate a parameter group: Lightning counts them from 1 (lr-AdamW/pg1), ultralytics from 0 (lr/pg0).
_GROUPS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"lr-\w+"), lambda _found: "lr"),
    (re.compile(r"lr-\w+/pg([1-9]\d?)"), lambda found: f"lr/{int(found[1]) - 1}"),
    (re.compile(r"lr/pg(\d{1,2})"), lambda found: f"lr/{int(found[1])}"),
)


def clean(column: str) -> str:
    """Return a column's or a word's plain name: "Valid Acc." is valid_acc, "  train/box_loss" is train/box_loss."""
    name = re.sub(r"\s+", "_", column.strip().strip("\"'").strip().rstrip(".:").strip())
    lowered = name.lower()
    if lowered in _PLACES:
        return lowered
    if lowered in _WORDS:
        return _WORDS[lowered]
    if is_known(lowered):
        return lowered
    for pattern, group in _GROUPS:
        found = pattern.fullmatch(lowered)
        if found is not None:
            return group(found)
    return name


def is_known(name: str) -> bool:
    """Whether the name is a canonical one or an alias of one: what rules are about."""
    known = canonical(name, {})
    return name in ALIASES or known in ("lr", "train_loss", "val_loss", "train_acc", "val_acc", "grad_norm")


def meant(column: str) -> str:
    """Return the canonical name of what a column holds, or its plain name where there is none."""
    return canonical(clean(column).lower(), {})


def place_of(name: str) -> Place | None:
    """Return what of a record's place a column holds, if any."""
    return _PLACES.get(name)


def is_bookkeeping(name: str) -> bool:
    """Whether the name is of something that is not a metric of the training."""
    return not is_known(name) and _BOOKKEEPING.search(name) is not None


def is_metric(name: str) -> bool:
    """Whether a word of a plain text names a metric: among prose and settings only what sounds like one is believed."""
    return is_known(name) or (not is_bookkeeping(name) and _METRIC.search(name) is not None)


def of_validation(name: str) -> str:
    """Return the name that a metric printed beside words about validation has: `loss` there is val_loss."""
    return name if _HAS_SCOPE.match(name) or name == "grad_norm" else clean(f"val_{name}")


def validates(word: str) -> bool | None:
    """Whether a word that says which data a line is about says validation (valid, eval, test, dev); None: it says
    nothing of the kind.
    """
    lowered = word.strip().lower()
    if lowered.startswith("train"):
        return False
    return True if _VALIDATION.match(lowered) else None


_VALIDATION: Final = re.compile(r"(?:val|valid|validation|validate|eval|evaluation|test|testing|dev)(?:$|[_ ])")
_METRIC: Final = re.compile(
    r"loss|acc|prec|recall|f1|auc|map|iou|dice|err|ppl|perplexity|norm|wer|cer|bleu|rouge|psnr|ssim|mae|mse|reward|score|dis(?:tance|$)",
    re.IGNORECASE,
)
_HAS_SCOPE: Final = re.compile(
    r"(?:train|val|valid|validation|eval|test|dev|lr|learning_rate)(?:$|[_/ .-])", re.IGNORECASE
)
