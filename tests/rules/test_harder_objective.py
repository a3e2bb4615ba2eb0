"""Losses that rise because what they ask for has become harder."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, readings_of, reloaded, report_of, spec_of, steps
from trackside_service import detection
from trackside_service.rules import rule

LOG_OF_KEYS = math.log(65536)


def queue(count: int = 300, *, noise: float = 0.008, top: float = 9.3, seed: int = 0) -> list[float]:
    """The loss of a contrast with a queue that fills: from 2 to its top within some dozens of records."""
    rng = random.Random(seed)
    return [(top - (top - 2) * math.exp(-place / 20)) * math.exp(noise * rng.gauss(0, 1)) for place in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_a_contrast_climbs_to_the_logarithm_of_its_keys(seed: int) -> None:
    assert not report_of(steps(10, train_loss=queue(seed=seed))).alerts
    slowly = [value - 2.5 * place / 300 for place, value in enumerate(queue(seed=seed))]
    assert not report_of(steps(10, train_loss=slowly)).alerts


@pytest.mark.parametrize("seed", range(5))
def test_what_is_thrown_there_trembles(seed: int) -> None:
    (alert,) = alerts_of(steps(10, train_loss=queue(noise=0.05, seed=seed)), "LOSS002")
    assert alert.severity == "critical"


def test_no_such_loss_is_higher_than_that() -> None:
    assert not report_of(steps(10, train_loss=queue(top=LOG_OF_KEYS - 0.2))).alerts
    assert alerts_of(steps(10, train_loss=queue(top=14.0)), "LOSS002")
    later = [*queue(), *[30.0] * 40]
    assert alerts_of(steps(10, train_loss=later), "LOSS002")


def test_what_had_been_learned_is_lost_however_smoothly() -> None:
    learned = [2.3 - 0.01 * place for place in range(100)]
    assert alerts_of(steps(10, train_loss=[*learned, *queue()]), "LOSS002")


def test_another_metric_that_is_worse_tells() -> None:
    log = steps(10, train_loss=queue(), val_loss=[1.1 * value for value in queue()])
    assert alerts_of(log, "LOSS002")


def summed(sizes: list[float]) -> list[float]:
    """A loss of a half a token and less, summed over the tokens of a sequence."""
    return [size * (0.3 + 1.7 * 0.9**place) for place, size in enumerate(sizes)]


@pytest.mark.parametrize("name", ["seq_len", "train/sequence_length", "batch_size", "resolution", "margin"])
def test_a_size_that_grows_has_the_loss_measured_anew(name: str) -> None:
    sizes = [32.0] * 15 + [128.0] * 15 + [512.0] * 15
    told: dict[str, Any] = {name: sizes}
    assert alerts_of(epochs(train_loss=summed(sizes)), "LOSS002")
    assert not report_of(epochs(train_loss=summed(sizes), **told)).alerts
    longer: dict[str, Any] = {name: [*sizes, *[512.0] * 5]}
    assert alerts_of(epochs(train_loss=[*summed(sizes), *[1e4] * 5], **longer), "LOSS002")
    gradual: dict[str, Any] = {name: [32.0 + 8 * place for place in range(60)]}
    assert not report_of(epochs(train_loss=summed(gradual[name]), **gradual)).alerts


@pytest.mark.parametrize("name", ["num_tokens", "samples_seen", "step_time", "gpu_temperature"])
def test_what_grows_anyway_explains_nothing(name: str) -> None:
    sizes = [32.0] * 15 + [128.0] * 15 + [512.0] * 15
    told: dict[str, Any] = {name: sizes}
    assert alerts_of(epochs(train_loss=summed(sizes), **told), "LOSS002")


def test_a_last_batch_that_is_smaller_has_nothing_measured_anew() -> None:
    loss, sizes = [2.3 * 0.98**place + 0.4 for place in range(200)], [64.0, 64.0, 64.0, 64.0, 17.0] * 48
    log = steps(10, train_loss=[*loss, *[6.0] * 40], batch_size=sizes)
    assert alerts_of(log, "LOSS002")


def test_the_state_is_kept_as_json() -> None:
    sizes = [32.0] * 15 + [128.0] * 15
    log = epochs(train_loss=[*summed(sizes), *[1e4] * 5], seq_len=[*sizes, *[128.0] * 5])
    assert reloaded("LOSS002", log) == [("Finding", "train_loss")]


def test_a_size_that_is_not_finite_is_none() -> None:
    sizes: list[Any] = ["NaN", "Infinity", *[32.0] * 13, *[128.0] * 15]
    log = epochs(train_loss=summed([32.0] * 15 + [128.0] * 15), seq_len=sizes)
    assert not reloaded("LOSS002", log)
    assert {alert.code for alert in report_of(log).alerts} == {"LOSS008"}


RAMPS: dict[str, list[float]] = {
    "margin": [0.3 + 0.002 * place for place in range(30)],
    "mask_ratio": [0.15 + 0.016 * place for place in range(30)],
    "curriculum": [1.0 + place // 3 for place in range(30)],
    "kl_weight": [min(1.0, place / 20) for place in range(30)],
    "batch_size": [64.0 + 4 * place for place in range(30)],
}


@pytest.mark.parametrize("name", RAMPS)
@pytest.mark.parametrize("factor", [1.6, 3.0])
def test_what_explodes_while_a_size_grows_has_exploded(name: str, factor: float) -> None:
    told: dict[str, Any] = {name: RAMPS[name]}
    first = epochs(train_loss=[min(2.3 * factor**place, 80.0) for place in range(30)], **told)
    assert alerts_of(first, "LOSS002")
    late = [*(2.3 * 0.9**place for place in range(15)), *[10.0] * 15]
    assert alerts_of(epochs(train_loss=late, **told), "LOSS002")


@pytest.mark.parametrize("name", ["margin", "mask_ratio", "batch_size"])
def test_a_ramp_does_not_explain_a_jump(name: str) -> None:
    jumps = [*(0.4 + 1.9 * 0.7**place for place in range(15)), *[1.4] * 15]
    told: dict[str, Any] = {name: RAMPS[name]}
    log = epochs(train_loss=jumps, val_loss=[1.1 * value for value in jumps], **told)
    assert alerts_of(log, "LOSS003")


def test_a_stage_may_throw_the_loss_back_to_where_it_began_and_no_further() -> None:
    stages = [float(1 + place // 10) for place in range(30)]
    back = [2.0 * 0.7 ** (place % 10) + 0.05 for place in range(30)]
    assert not report_of(epochs(train_loss=back, difficulty=stages)).alerts
    beyond = [*back[:20], *[6.0] * 10]
    assert alerts_of(epochs(train_loss=beyond, difficulty=stages), "LOSS002")


def test_a_size_told_one_record_before_the_loss_that_grows_with_it() -> None:
    sizes = [32.0] * 15 + [128.0] * 15
    told: dict[str, Any] = {"seq_len": [*sizes[1:], 128.0]}
    assert not report_of(epochs(train_loss=summed(sizes), **told)).alerts


@pytest.mark.parametrize("size", [0.0, -5.0, "NaN", "Infinity", "-Infinity", 1e308, 5e-324])
def test_sizes_that_are_none(size: float | str) -> None:
    sizes = [32.0, size] * 15
    told: dict[str, Any] = {"seq_len": sizes, "beta": [size, 0.5] * 15}
    log = epochs(train_loss=[2.3 * 0.9**place for place in range(15)] + [300.0] * 15, **told)
    assert reloaded("LOSS002", log) == [("Finding", "train_loss")]


def test_the_sizes_that_are_kept_are_few() -> None:
    log: list[dict[str, Any]] = [
        {
            "epoch": place,
            "metrics": {"train_loss": 2.0, **{f"group{place * 20 + one}/margin": 1.0 for one in range(20)}},
        }
        for place in range(30)
    ]
    one, context = rule("LOSS002"), detection.configure(spec_of())
    parameters = context.rules["LOSS002"].parameters
    state = one.start(context, parameters)
    for reading in readings_of(log):
        state, _ = one.check(context, parameters, state, reading)
    assert len(json.dumps(one.dump(state))) < 3000


@pytest.mark.parametrize(("climb", "top"), [(1.3, 11.0), (1.15, 9.2)])
def test_epochs_are_too_long_for_a_queue_to_fill_in(climb: float, top: float) -> None:
    log = epochs(train_loss=[min(2.3 * climb**place, top) for place in range(30)])
    (alert,) = alerts_of(log, "LOSS002")
    assert alert.detected is not None
    assert (alert.detected.epoch or 0) < 16


def test_a_score_that_never_got_better_refutes_nothing_by_chance() -> None:
    rng = random.Random(3)
    loss = [min(2.3 * 1.6**place, 80.0) for place in range(30)]
    scores = [90.0 * math.exp(0.02 * rng.gauss(0, 1)) for _ in range(30)]
    assert alerts_of(epochs(train_loss=loss, val_ppl=scores), "LOSS002")


@pytest.mark.parametrize("calm", [3, 12, 40])
def test_a_queue_is_not_full_at_once(calm: int) -> None:
    rng = random.Random(calm)
    log = [level * math.exp(0.008 * rng.gauss(0, 1)) for level in [*[2.2] * calm, *[8.0] * 100]]
    (alert,) = alerts_of(steps(10, train_loss=log), "LOSS002")
    assert alert.severity == "critical"


@pytest.mark.parametrize("pace", [1.5, 1.8, 2.5])
def test_a_size_that_grows_slowly_lifts_the_loss_slowly(pace: float) -> None:
    sizes = [32.0 + pace * place for place in range(45)]
    loss = [size * (2.5 + 3.5 * math.exp(-place / 5.6)) for place, size in enumerate(sizes)]
    told: dict[str, Any] = {"train_loss": loss, "val_loss": [1.05 * value for value in loss]}
    assert alerts_of(epochs(**told), "LOSS002")
    assert not report_of(epochs(**told, batch_size=sizes)).alerts
