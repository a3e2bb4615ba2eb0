"""Until when alerts are silenced, of many runs at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa
from tests.support.outbox import NOW, make_alert

from trackside_service.domain.runs import RunSpec
from trackside_service.domain.silences import Matchers, Silence
from trackside_service.storage import runs, silenced, silences
from trackside_service.storage.engine import read_transaction, write_transaction


def test_what_silences_ask_of_many_runs_is_read_at_once_and_no_schedule_with_it(engine: sa.Engine) -> None:
    table = {"kind": "table", "values": [0.1] * 1_000, "unit": "step"}
    ids = [UUID(int=number + 1) for number in range(6)]
    specs = [
        RunSpec("vision", f"resnet-{number}", schedule=table, tags=("night",) * (number % 2)) for number in range(6)
    ]
    alerts = [replace(make_alert(), id=uuid4(), run_id=run_id) for run_id in (*ids, uuid4())]  # the last one's is gone
    said: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    with write_transaction(engine) as connection:
        for run_id, spec in zip(ids, specs, strict=True):
            runs.insert(connection, run_id, spec, now=NOW)
        assert silenced.until(connection, alerts, NOW) == {}
        for hours, matchers in ((1, Matchers(run=("resnet-1", str(ids[2])))), (2, Matchers(tag=("night",)))):
            silences.insert(connection, Silence(uuid4(), matchers, NOW + timedelta(hours=hours), NOW))
    said.clear()
    with read_transaction(engine) as connection:
        found = silenced.until(connection, alerts, NOW)
        assert silenced.until(connection, [], NOW) == {}
    hours_of = {1: 2, 2: 1, 3: 2, 5: 2}
    assert found == {alerts[number].id: NOW + timedelta(hours=hours) for number, hours in hours_of.items()}
    asked = [statement for statement in said if "FROM runs" in statement]
    assert len(asked) == 1
    with engine.connect() as connection:
        assert runs.told_apart(connection, ids[:2]) == {
            ids[0]: RunSpec("vision", "resnet-0"),
            ids[1]: RunSpec("vision", "resnet-1", tags=("night",)),
        }
