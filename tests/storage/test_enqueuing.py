"""What goes into the outbox: who is told, and what of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from tests.support.outbox import NOW, add_channel, claim, make_alert, make_run, of_channel

from trackside_service.domain.alerts import AlertChange
from trackside_service.domain.wire import alert_to_wire
from trackside_service.storage import deliveries, standing
from trackside_service.storage.engine import write_transaction

URL = "https://receiver.example/hook"


@contextmanager
def counting(engine: sa.Engine) -> Iterator[list[str]]:
    """Collect the statements that are executed."""
    statements: list[str] = []

    def note(*args: object) -> None:
        statements.append(str(args[2]))

    sa.event.listen(engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(engine, "before_cursor_execute", note)


def enqueue(engine: sa.Engine, *changes: AlertChange) -> int:
    with write_transaction(engine) as connection:
        return deliveries.enqueue_all(connection, changes, make_run(), NOW)


def test_a_delivery_holds_the_alert_as_it_was(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    alert = make_alert(evidence={"worst": float("inf")})
    plot = {"at": [1], "unit": "step", "expected": [0.1], "observed": [float("nan")]}
    with write_transaction(engine) as connection:
        assert deliveries.enqueue(connection, AlertChange("opened", alert), make_run(), NOW, lr_plot=plot) == 1
    [claimed] = claim(engine, channel_id)
    assert (claimed.event, claimed.attempts, claimed.created_at) == ("alert.opened", 0, NOW)
    assert claimed.snapshot == {
        "alert": alert_to_wire(alert),
        "run": {
            "id": str(make_run().id),
            "project": "vision",
            "name": "resnet-7",
            "status": "running",
            "tags": ["nightly"],
        },
        "lr_plot": {"at": [1], "unit": "step", "expected": [0.1], "observed": ["NaN"]},
    }
    assert claimed.snapshot["alert"]["evidence"] == {"worst": "Infinity"}


def test_only_alerts_about_the_learning_rate_carry_its_plot(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)
    with write_transaction(engine) as connection:
        for subject in ("val_acc", "lr/1"):
            change = AlertChange("opened", make_alert(subject=subject))
            deliveries.enqueue(connection, change, make_run(), NOW, lr_plot={"at": []})
    assert ["lr_plot" in each.snapshot for each in claim(engine, channel_id)] == [False, True]


def test_subscriptions(engine: sa.Engine) -> None:
    opened = AlertChange("opened", make_alert(severity="warning"))
    same = AlertChange("changed", make_alert(severity="warning"), previous="warning")
    worse = AlertChange("changed", make_alert(severity="critical"), previous="warning")
    better = AlertChange("changed", make_alert(severity="info"), previous="warning")
    resolved = AlertChange("resolved", make_alert(severity="warning", state="resolved"))
    info = AlertChange("opened", make_alert(severity="info"))
    told = {
        "usual": ["alert.opened", "alert.changed", "alert.resolved"],
        "all": ["alert.opened", "alert.changed", "alert.resolved", "alert.opened"],
        "grave": ["alert.changed"],
        "opened": ["alert.opened"],
        "here": ["alert.opened", "alert.changed", "alert.resolved"],
        "elsewhere": [],
        "rules": ["alert.opened"],
        "others": [],
        "weekly": [],
        "off": [],
    }
    ids = {
        name: add_channel(engine, URL, **settings)[0]  # type: ignore[arg-type]
        for name, settings in {
            "usual": {},
            "all": {"min_severity": "info"},
            "grave": {"min_severity": "critical"},
            "opened": {"events": ["opened"]},
            "here": {"project": "vision"},
            "elsewhere": {"project": "speech"},
            "rules": {"codes": ("LR",), "tags": ("nightly", "weekly"), "events": ("opened",)},
            "others": {"codes": ("LOSS",)},
            "weekly": {"tags": ("weekly",)},
            "off": {},
        }.items()
    }
    with write_transaction(engine) as connection:
        standing.switch_off(connection, ids["off"], "gone", NOW, told=False)
    count = enqueue(engine, opened, same, worse, better, resolved, info)
    found = {name: [each.event for each in of_channel(engine, channel_id)] for name, channel_id in ids.items()}
    assert found == told
    assert count == sum(len(events) for events in told.values())


def test_a_post_costs_one_query_and_none_without_changes(engine: sa.Engine) -> None:
    for _ in range(3):
        add_channel(engine, URL)
    with write_transaction(engine) as connection, counting(engine) as statements:
        assert deliveries.enqueue_all(connection, (), make_run(), NOW) == 0
        unheard = AlertChange("changed", make_alert(), previous="critical")
        assert deliveries.enqueue_all(connection, (unheard,), make_run(), NOW) == 0
        assert statements == []
        changes = [AlertChange("opened", make_alert()) for _ in range(4)]
        assert deliveries.enqueue_all(connection, changes, make_run(), NOW) == 12
        asked = [each for each in statements if each.startswith("SELECT") and "pg_notify" not in each]
        assert len(asked) == 1
        assert len([each for each in statements if each.startswith("INSERT")]) == 1


def test_nothing_is_told_of_what_is_rolled_back(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, URL)

    def fail() -> None:
        with write_transaction(engine) as connection:
            deliveries.enqueue(connection, AlertChange("opened", make_alert()), make_run(), NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert of_channel(engine, channel_id) == ()
