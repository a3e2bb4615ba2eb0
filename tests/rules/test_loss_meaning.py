"""Which metrics say that a loss does not tell how the run does."""

from __future__ import annotations

import pytest

from trackside_service.rules.loss_meaning import moves_its_own_goal


@pytest.mark.parametrize(
    "names",
    [
        ("loss_d", "loss_g"),
        ("errD_real", "errG"),
        ("lossG_total", "loss"),
        ("netD_loss", "netG_loss"),
        ("l_g_gan", "l_g_pix"),
        ("l_d_real", "l_d_fake"),
        ("d_total", "g_total"),
        ("G", "D"),
        ("train/G", "train/D"),
        ("loss", "avg_q"),
        ("td_loss", "epsilon"),
        ("loss", "win_rate"),
        ("loss", "ep_len"),
        ("score", "epsilon", "loss"),
    ],
)
def test_two_that_play_against_each_other_or_a_policy(names: tuple[str, ...]) -> None:
    assert moves_its_own_goal(names)


@pytest.mark.parametrize(
    "names",
    [
        ("train_loss", "val_loss", "val_acc", "lr"),
        ("train_loss", "g"),
        ("loss", "seq_len", "tokens"),
        ("loss", "organ_dice"),
        ("loss", "epsilon"),
        ("loss", "total_d"),
        ("frequency", "loss"),
        ("train_loss", "slogan"),
    ],
)
def test_others_are_none(names: tuple[str, ...]) -> None:
    assert not moves_its_own_goal(names)
