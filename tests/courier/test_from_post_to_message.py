"""The whole way: a post that is off schedule, its alert, and the messages as receivers get them."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from standardwebhooks import Webhook
from tests.support.outbox import NOW, add_channel, outbound, secrets
from tests.support.receiver import receiving

from trackside_service import monitor
from trackside_service.courier import Courier
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.storage.engine import write_transaction

SCHEDULE = {
    "framework": "torch",
    "class": "StepLR",
    "params": {"step_size": 2, "gamma": 0.5},
    "base_lr": 0.1,
    "unit": "epoch",
}
RUN = UUID("7a54ac70-5a0b-4a3c-8b49-0f1f3f4a7d11")


def test_an_alert_about_the_learning_rate_is_drawn(engine: sa.Engine) -> None:
    rates = [0.1, 0.1, 0.05, 0.05, 0.05]
    with receiving() as receiver:
        _, endpoint = add_channel(engine, receiver.url("/hook"))
        add_channel(engine, receiver.url("/slack"), "slack")
        with write_transaction(engine) as connection:
            spec = RunSpec("vision", "frozen", total_epochs=8, schedule=SCHEDULE)
            monitor.open_run(connection, RUN, spec, process=None, now=NOW)
        for epoch, rate in enumerate(rates):
            with write_transaction(engine) as connection:
                result = monitor.record(connection, RUN, None, [Record({"lr": rate}, epoch=float(epoch))], now=NOW)
        assert [(change.event, change.alert.code) for change in result.changes] == [("opened", "LR001")]
        assert Courier(engine, secrets(), outbound()).run_once() == 2
        [hook] = receiver.at("/hook")
        [slack] = receiver.at("/slack")
    assert endpoint.secret is not None
    body = Webhook(endpoint.secret).verify(hook.body, dict(hook.headers))
    assert (body["type"], body["data"]["run"]["id"]) == ("alert.opened", str(RUN))
    assert body["data"]["alert"] == {**body["data"]["alert"], "code": "LR001", "opened": {"step": None, "epoch": 4.0}}
    assert set(body["data"]) == {"alert", "run"}
    plots = [block["text"]["text"] for block in slack.json["blocks"] if "```" in str(block)]
    assert plots == [
        "```\n"
        "  0.1 |@          @\n"
        "      |\n"
        "      |\n"
        "      |\n"
        "      |\n"
        "      |                      @         @          o\n"
        "      |\n"
        "      |\n"
        "0.025 |                                           ·\n"
        "      +--------------------------------------------\n"
        "       epoch 0                                    4\n"
        "· expected  o observed  @ both\n"
        "```"
    ]
