"""Which metrics say how good a model is, and which way each is better."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, report_of
from trackside_service.rules import scores

FALLING = [0.1 * 0.8**place + 0.02 for place in range(20)]
PSNR = [20.0 + 10 * (1 - 0.8**place) for place in range(20)]


@pytest.mark.parametrize(
    "name",
    [
        *("val_acc", "val_psnr", "metrics/ssim", "eval_ms_ssim", "val/PSNR_Y", "eval_qwk", "val_ndcg@10"),
        *(
            "val_miou",
            "test_dice_score",
            "val_roc_auc",
            "eval_mcc",
            "eval_bleu",
            "eval_meteor",
            "val_average_precision",
        ),
    ],
)
def test_scores_that_speak_for_a_model(name: str) -> None:
    assert scores.lead([name]) == name
    assert scores.better(name) == "higher"


@pytest.mark.parametrize("name", ["psnr", "ssim", "train/psnr", "f1", "train_dice", "val_r2", "score", "mean_score"])
def test_figures_that_only_show_that_nothing_is_lost(name: str) -> None:
    assert scores.lead([name]) is None
    assert scores.better(name) == "higher"


@pytest.mark.parametrize(
    "name", ["val_loss", "wer", "eval_cer", "LPIPS", "val_fid", "ppl", "val_perplexity", "val_rmse", "mae", "val_mse"]
)
def test_what_falls_while_a_model_gets_better(name: str) -> None:
    assert scores.lead([name]) is None
    assert scores.better(name) == "lower"


@pytest.mark.parametrize(
    "name", ["lr", "train_loss", "mse", "perplexity", "val_metric", "top1", "grad_norm", "best_score"]
)
def test_what_tells_nothing_or_nobody_knows(name: str) -> None:
    assert scores.better(name) is None


def test_the_two_that_speak_best_stand_beside_a_loss() -> None:
    names = ("train_loss", "val_loss", "val_acc", "wer", "val_mAP50-95", "val_f1", "psnr")
    assert scores.beside(names) == (("val_mAP50-95", "higher"), ("val_f1", "higher"))
    assert scores.beside(("train_loss", "val_wer")) == (("val_wer", "lower"),)


def test_sharper_images_that_are_less_alike_are_no_loss_of_what_was_learned() -> None:
    loss = [*FALLING, *[0.5, 0.48, 0.47, 0.46, 0.46, 0.45, 0.45, 0.45] * 2]
    lower: dict[str, Any] = {"val_psnr": [*PSNR, *[27.4] * 16]}
    assert alerts_of(epochs(train_loss=loss), "LOSS002")
    assert not report_of(epochs(train_loss=loss, **lower)).alerts
    lost: dict[str, Any] = {"val_psnr": [*PSNR, *[11.0] * 16]}
    assert alerts_of(epochs(train_loss=loss, **lost), "LOSS002")


def test_a_score_that_falls_while_all_is_well_says_so() -> None:
    loss = [*FALLING, *[0.5] * 10]
    well: dict[str, Any] = {"eval_wer": [0.2 + 0.8 * 0.7**place for place in range(30)]}
    assert not report_of(epochs(train_loss=loss, **well)).alerts
    ill: dict[str, Any] = {"eval_wer": [*[0.2 + 0.8 * 0.7**place for place in range(20)], *[1.0] * 10]}
    assert alerts_of(epochs(train_loss=loss, **ill), "LOSS002")


def test_a_slow_climb_is_told_beside_a_score_that_falls_with_it() -> None:
    climb = [0.0] * 12 + [0.05 * place for place in range(18)]
    loss = [1.0 + 1.5 * 0.6**place + more for place, more in enumerate(climb)]
    told: dict[str, Any] = {"val_miou": [0.6 * (1 - 0.6**place) - 0.3 * more for place, more in enumerate(climb)]}
    log = epochs(train_loss=loss, val_loss=[1.1 * value for value in loss], lr=[1e-3] * 30, **told)
    assert alerts_of(log, "LOSS002")


def test_a_score_in_decibels_has_no_unit_and_may_be_infinite() -> None:
    names: dict[str, Any] = {"val_psnr": [*PSNR, "Infinity", *[8.0] * 12]}
    alerts = report_of(epochs(train_loss=[*FALLING, *[0.02] * 13], **names)).alerts
    assert [alert.code for alert in alerts] == ["ACC001"], "no word about identical images"
    assert "30 to 8" in alerts[0].title or "29.8" in alerts[0].title
    assert "%" not in alerts[0].title


def test_errors_that_are_told_beside_the_losses_say_more_than_these_alone() -> None:
    val = [2.2 * 0.6**place + 0.5 + 0.15 * place for place in range(30)]
    log: dict[str, Any] = {"train_loss": [2.2 * 0.7**place for place in range(30)], "val_loss": val}
    assert alerts_of(epochs(**log), "FIT001")
    assert not alerts_of(epochs(**log, wer=[0.2 + 0.8 * 0.8**place for place in range(30)]), "FIT001")
