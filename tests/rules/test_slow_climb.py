"""LOSS002: losses that climb epoch by epoch, while all else is worse too."""

from __future__ import annotations

import math
from typing import Any

from tests.rules.support import alerts_of, epochs, reloaded, report_of

DIVERGES, SPIKES = "LOSS002", "LOSS003"
CLIMB: dict[str, Any] = {
    "train_loss": [1.60, 1.22, 1.12, 1.09, 1.11, 1.15, 1.19, 1.22],
    "val_loss": [1.28, 1.04, 0.96, 0.95, 1.00, 1.05, 1.12, 1.11],
    "val_acc": [0.55, 0.64, 0.67, 0.68, 0.66, 0.65, 0.61, 0.63],
}


def codes(records: list[dict[str, Any]], **declared: Any) -> set[str]:
    return {alert.code for alert in report_of(records, **declared).alerts} & {DIVERGES, SPIKES}


def test_a_slow_climb_is_a_warning() -> None:
    log = epochs(**CLIMB)
    assert not alerts_of(log[:-1], DIVERGES)
    (alert,) = alerts_of(log, DIVERGES)
    assert (alert.severity, alert.subject) == ("warning", "train_loss")
    assert (alert.opened.epoch, alert.detected.epoch) == (5, 8)  # type: ignore[union-attr]
    assert "val_loss is 1.11 (best 0.96)" in alert.detail


def test_a_climb_alone_is_none() -> None:
    assert not codes(epochs(train_loss=CLIMB["train_loss"])), "nothing agrees"
    assert not codes(epochs(**{**CLIMB, "val_acc": [0.55, 0.64, 0.67, 0.68, 0.69, 0.70, 0.71, 0.72]}))
    assert not codes(epochs(**{**CLIMB, "val_loss": [1.28, 1.04, 0.96, 0.95, 0.94, 0.93, 0.92, 0.91]}))
    assert not codes(epochs(lr=[0.01, 0.01, 0.01, 0.01, 0.02, 0.03, 0.04, 0.05], **CLIMB)), "the LR rises"
    falls: dict[str, Any] = {**CLIMB, "train_loss": [1.6, 1.2, 1.12, 1.09, 1.05, 1.0, 0.95, 0.9]}
    assert not codes(epochs(**falls)), "that is overfitting"


ANNEALED = [236.6, 141.7, 107.8, 96.7, 94.9, 96.5, 98.4, 101.3, 104.4, 107.2, 109.2, *[109.2, 109.1, 109.3, 109.4] * 4]


def test_an_objective_whose_penalty_is_raised_climbs_and_is_not_told_of() -> None:
    both: dict[str, Any] = {"train_loss": ANNEALED, "val_loss": [1.02 * value for value in ANNEALED]}
    assert not codes(epochs(**both))
    assert alerts_of(epochs(**both), DIVERGES, rules={DIVERGES: {"params": {"losses_alone": 0.05}}})
    further: dict[str, Any] = {name: [one + 4.0 * at for at, one in enumerate(both[name])] for name in both}
    fits: dict[str, Any] = {"kl_loss": [20.0] * 27, "recon_loss": [80 + 100 * math.exp(-at) for at in range(27)]}
    assert codes(epochs(**further)), "it climbs without end, and nothing says why"
    assert not codes(epochs(**further, **fits))
    fits["recon_loss"] = [0.8 * value for value in further["train_loss"]]
    assert codes(epochs(**further, **fits)), "the fit is lost too"


def test_a_slow_climb_by_batch_is_seen_in_the_epochs_means() -> None:
    records = []
    for epoch, loss in enumerate([*CLIMB["train_loss"], 1.3]):
        for batch in range(10):
            wave = 0.2 * (-1) ** batch
            records.append(
                {"step": 10 * epoch + batch, "epoch": epoch + batch / 10, "metrics": {"train_loss": loss + wave}}
            )
        if epoch < 8:
            metrics = {name: CLIMB[name][epoch] for name in ("val_loss", "val_acc")}
            records.append({"step": 10 * epoch + 9, "epoch": epoch + 0.9, "metrics": metrics})
    (alert,) = alerts_of(records, DIVERGES)
    assert (alert.severity, alert.opened.step) == ("warning", 49)  # type: ignore[union-attr]


def test_a_climb_that_becomes_a_divergence_is_one_alert() -> None:
    more: dict[str, Any] = {
        name: [*values, *[values[0] * 9] * 5] for name, values in CLIMB.items() if name != "val_acc"
    }
    more["val_acc"] = [*CLIMB["val_acc"], *[0.1] * 5]
    (alert,) = alerts_of(epochs(**more), DIVERGES)
    assert (alert.severity, alert.opened.epoch) == ("critical", 5)  # type: ignore[union-attr]


def test_it_resolves() -> None:
    back: dict[str, Any] = {name: [*values, values[3]] for name, values in CLIMB.items()}
    (alert,) = alerts_of(epochs(**back), DIVERGES)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 9)  # type: ignore[union-attr]


def test_a_slow_climbs_state_goes_through_json() -> None:
    back: dict[str, Any] = {name: [*values, values[3]] for name, values in CLIMB.items()}
    assert reloaded(DIVERGES, epochs(**back)) == [("Finding", "train_loss"), ("Cleared", "train_loss")]


def test_a_slow_climb_may_have_setbacks_and_is_no_single_step() -> None:
    down = [2.0, 1.6, 1.3, 1.1, 1.0, 0.95, 0.92, 0.9]
    climb = [0.97, 1.05, 1.02, 1.1, 1.17, 1.15, 1.22, 1.3, 1.27, 1.35]
    step = [0.905, 0.91, 0.915, 1.3]
    assert codes(epochs(train_loss=[*down, *climb], val_loss=[1.1 * value for value in [*down, *climb]]))
    assert not codes(epochs(train_loss=[*down, *step], val_loss=[1.1 * value for value in [*down, *step]]))


def test_climbs_that_come_back_are_told_of_once_and_a_longer_one_again() -> None:
    down = [2.0, 1.6, 1.3, 1.1, 1.0, 0.95, 0.92, 0.9]
    wave = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.3, 1.1, 0.95, 0.9, 0.9]
    loss = [*down, *wave * 5]
    val = [1.1 * value for value in loss]
    assert len(alerts_of(epochs(train_loss=loss, val_loss=val), DIVERGES)) == 1
    climb = [*down, *wave, *[0.9 + 0.1 * place for place in range(1, 18)]]
    told = reloaded(DIVERGES, epochs(train_loss=climb, val_loss=[1.1 * value for value in climb]))
    assert [kind for kind, _ in told] == ["Finding", "Cleared", "Finding"]


def test_a_slow_climb_may_be_the_rise_of_a_rate_that_nobody_reports() -> None:
    loss = [*[2.3 - 0.08 * place for place in range(20)], *[0.78 + 0.05 * place for place in range(30)]]
    log = {"train_loss": loss, "val_loss": [1.1 * value for value in loss]}
    (alert,) = alerts_of(epochs(**log), DIVERGES)  # type: ignore[arg-type]
    assert alert.detected.epoch == 32, "three fifths of the twenty epochs before"  # type: ignore[union-attr]
    (alert,) = alerts_of(epochs(**log, lr=[1e-3] * 50), DIVERGES)  # type: ignore[arg-type]
    assert alert.detected.epoch == 28  # type: ignore[union-attr]
