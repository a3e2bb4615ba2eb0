"""LOSS003: a smaller rise of the training loss that lasts, with the validation loss or by itself."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, reloaded, steps
from trackside_service.rules.objective_parts import parts_of

CODE = "LOSS003"
FALLING = [6.0, 4.4, 3.5, 3.0, 2.75, 2.6, 2.55, 2.5, 2.5, 2.5]
LOST = [*FALLING, 3.5, 3.5, 3.5, 3.5]
SCHEDULER: dict[str, Any] = {"class": "AdamW", "params": {"lr": 3e-4}}


def both(loss: list[float], **others: Any) -> list[dict[str, Any]]:
    """A record an epoch, with a validation loss that goes with the training's, at one LR unless told otherwise."""
    told: dict[str, Any] = {"lr": [3e-4] * len(loss), **others}
    return epochs(train_loss=loss, val_loss=[value + 0.1 for value in loss], **told)


def test_both_losses_rise_by_two_fifths_of_their_best_and_stay() -> None:
    log = both(LOST)
    assert not alerts_of(log[:12], CODE)
    (alert,) = alerts_of(log, CODE, optimizer=SCHEDULER)
    assert (alert.severity, alert.subject) == ("warning", "train_loss")
    assert (alert.opened.epoch, alert.detected.epoch) == (11, 13)  # type: ignore[union-attr]
    assert "val_loss agrees: 2.6 at its best, 3.6 now" in alert.detail
    assert "lr 0.0003 to 0.00015" in alert.advice
    assert "epoch 10" in alert.advice or "epoch 9" in alert.advice or "epoch 8" in alert.advice


def test_a_validation_loss_that_holds_is_no_agreement() -> None:
    assert not alerts_of(epochs(train_loss=[*LOST, *[3.5] * 20], val_loss=[*FALLING, *[2.6] * 24]), CODE)
    assert not alerts_of(epochs(train_loss=FALLING * 2, val_loss=[*FALLING, *[3.6] * 10]), CODE), "overfitting"


def test_a_smaller_rise_is_none() -> None:
    assert not alerts_of(both([*FALLING, *[3.0] * 30]), CODE)


def test_an_accuracy_that_holds_says_that_nothing_is_lost() -> None:
    acc = [0.1, 0.3, 0.5, 0.6, 0.65, 0.68, 0.7, 0.7, 0.7, 0.7]
    assert not alerts_of(both(LOST, val_acc=[*acc, *[0.7] * 4]), CODE)
    assert alerts_of(both(LOST, val_acc=[*acc, *[0.5] * 4]), CODE)


def test_one_that_comes_back_is_waited_for() -> None:
    assert not alerts_of(both([*FALLING, 5.0, 4.5, 4.1, 3.9, 3.7, 3.5, 3.4, 3.3, 3.3, 3.3, 3.3, 3.2]), CODE)


def test_a_higher_learning_rate_explains_it_for_three_times_as_long() -> None:
    loss = [*FALLING, *[3.5] * 10]
    (alert,) = alerts_of(both(loss, lr=[1e-4] * 10 + [2e-4] * 10), CODE)
    assert alert.detected.epoch == 19  # type: ignore[union-attr]
    assert "0.0001 where the loss was best" in alert.detail


def test_alone_it_has_to_go_further_and_to_last_longer() -> None:
    down = [10.8 - 0.074 * place for place in range(100)]
    climb = [3.4 + 0.02 * place for place in range(200)]
    assert not alerts_of(steps(10, train_loss=[*down, *[3.4] * 50, *climb[:110]]), CODE)
    (alert,) = alerts_of(steps(10, train_loss=[*down, *[3.4] * 50, *climb]), CODE)
    assert alert.evidence["val_loss"] is None
    assert alert.evidence["value"] < 7.1, "before it is half of the way back"
    assert not alerts_of(epochs(train_loss=[*LOST, *[3.5] * 20]), CODE)


def test_parts_of_an_annealed_objective_speak_for_the_model() -> None:
    recon = [120.0, 95.0, 84.0, 80.0, 79.0, 78.0, 78.0, *[77.5] * 12]
    total = [one + min(60.0, 5.0 * place) for place, one in enumerate(recon)]
    series: dict[str, Any] = {"recon_loss": recon, "kl_loss": [60.0] * 19}
    assert alerts_of(both(total), CODE)
    assert not alerts_of(both(total, **series), CODE)
    lost = [*recon[:7], *[118.0] * 12]
    assert alerts_of(both([one + 10 for one in lost], **{**series, "recon_loss": lost}), CODE)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train_loss", "recon_loss", "kl_loss"), ("recon_loss",)),
        (("reconstruction", "beta"), ("reconstruction",)),
        (("train/nll", "train/kld"), ("train/nll",)),
        (("train_loss", "recon_loss"), ()),
        (("train_loss", "beta"), ()),
        (("skill", "nll"), ()),
    ],
)
def test_what_the_parts_are(names: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert parts_of(names) == parts


def test_it_resolves_and_is_told_again_when_it_comes_again() -> None:
    back = [*LOST, 2.6, 2.5, 2.5]
    (alert,) = alerts_of(both(back), CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 15)  # type: ignore[union-attr]
    told = [("Finding", "train_loss"), ("Cleared", "train_loss")]
    assert reloaded(CODE, both(back)) == told
    again = [*back, *FALLING[3:]]
    assert reloaded(CODE, both([*again, *[3.5] * 7])) == told, "the first came back after four: twice that is waited"
    assert reloaded(CODE, both([*again, *[3.5] * 12])) == [*told, told[0]]


def unreported(loss: list[float]) -> list[dict[str, Any]]:
    """The same without an LR."""
    return both(loss, lr=[None] * len(loss))


def test_a_rate_that_nobody_reports_may_cycle_and_is_waited_for() -> None:
    (alert,) = alerts_of(unreported([*FALLING, *[3.5] * 10]), CODE)
    assert alert.detected.epoch == 14, "two fifths of the ten epochs before"  # type: ignore[union-attr]
    long = [*FALLING[:8], *[2.5] * 42]
    (alert,) = alerts_of(unreported([*long, *[3.5] * 30]), CODE)
    assert alert.detected.epoch == 70  # type: ignore[union-attr]
    assert alerts_of(both([*long, *[3.5] * 3]), CODE), "one that is reported and stays as it is explains nothing"
    warm = [2.3 - 0.03 * place for place in range(20)] + [
        1.0 + 1.3 * (1 + math.cos(math.pi * place / 40)) / 2 for place in range(40)
    ]
    assert not alerts_of(unreported(warm), CODE), "a warm restart of twice the length"


def test_cycles_of_a_rate_are_told_of_once() -> None:
    cycle = [*[2.5] * 6, *[3.5] * 4]
    assert len(alerts_of(both([*FALLING, *cycle * 6]), CODE)) == 1
    short, longer = [*[2.5] * 6, *[3.5] * 2], [*[2.5] * 6, *[3.5] * 3]
    assert alerts_of(both([*FALLING, *longer * 2]), CODE)
    assert not alerts_of(both([*FALLING, *short * 4, *longer]), CODE), "it lasts less than twice as long"
    (alert,) = alerts_of(both([*FALLING, *short * 4, *[2.5] * 6, *[3.5] * 6]), CODE)
    assert alert.state == "open"
    another = both([1.1 * value for value in LOST])
    assert len(alerts_of([*both([*FALLING, *cycle, 2.5]), *another], CODE)) == 2, "nothing is known of another life"


@pytest.mark.parametrize("name", ["beta", "kl_weight", "consistency_weight", "train/lambda"])
def test_the_weight_of_a_term_that_is_raised_explains_a_rise(name: str) -> None:
    loss = [*FALLING, *[3.5] * 12]
    weight: dict[str, Any] = {name: [0.1] * 10 + [0.5] * 12}
    assert not alerts_of(both(loss, **weight), CODE)
    assert alerts_of(both(loss, **{name: [0.5] * 22}), CODE), "it is what it always was"
    assert alerts_of(both(loss, weight_decay=[0.1] * 10 + [0.5] * 12), CODE)
    assert alerts_of(both(loss, **{"fc.weight": [0.1] * 10 + [0.5] * 12}), CODE), "the norm of parameters"


def test_one_that_goes_on_to_where_it_began_is_still_one_alert() -> None:
    assert len(alerts_of(both([*LOST, *[5.9] * 10]), CODE)) == 1


def test_values_that_are_not_finite_are_none() -> None:
    loss: list[Any] = [*LOST, "NaN", 3.5]
    val: list[Any] = [*FALLING, "NaN", 3.6, "Infinity", 3.6, 3.6, 3.6]
    (alert,) = alerts_of(epochs(train_loss=loss, val_loss=val, lr=[3e-4] * 16), CODE)
    assert alert.detected.epoch == 16  # type: ignore[union-attr]


@pytest.mark.parametrize("params", [{"agreed_rise": 0}, {"agreed_patience": 2}, {"lone_patience": 1}, {"expected": 0}])
def test_settings_that_mean_nothing_are_refused(params: dict[str, float]) -> None:
    with pytest.raises(Exception, match=r"above 0|of 3 or more"):
        alerts_of(both(LOST), CODE, rules={CODE: {"params": params}})
