"""What is owed under every fault: the loop does not notice, the exit is in time, and nothing is lost unsaid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cases import CASES, Case
from tests.faults.suite import Outcome, Service, run_case, serving
from tests.support import postgres
from trackside_service.storage import migrate
from trackside_service.storage.engine import open_engine

EXIT_S = 1.0
# On the other database: where the service itself is killed, and where it has a count to keep.
ON_POSTGRES = ("service killed and restarted, twice", "full disk", "SIGKILL while dead", "bad records, replayed")


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('faults') / 'trackside.db'}") as service:
        yield service


@pytest.fixture(scope="module")
def on_postgres(postgres_server: postgres.Server) -> Iterator[Service]:
    url = postgres_server.url(postgres_server.create_database())
    engine = open_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    with serving(url) as service:
        yield service


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_on_sqlite(case: Case, on_sqlite: Service, tmp_path: Path) -> None:
    check(case, run_case(case, on_sqlite, tmp_path, exit_timeout_s=EXIT_S))


@pytest.mark.parametrize("case", [case for case in CASES if case.name in ON_POSTGRES], ids=lambda case: case.name)
def test_on_postgres(case: Case, on_postgres: Service, tmp_path: Path) -> None:
    check(case, run_case(case, on_postgres, tmp_path, exit_timeout_s=EXIT_S))


def check(case: Case, outcome: Outcome) -> None:
    # No exception, and only our own plain lines.
    assert outcome.code == (-9 if case.kill is not None else 0), outcome.errors
    assert all(line.startswith("trackside: ") for line in outcome.errors.splitlines()), outcome.errors
    # The loop does not notice. The bounds are wide for what neighbours take; `make faults` prints the figures.
    assert outcome.quantile_us(0.5) < 50
    assert outcome.quantile_us(0.99) < 5_000
    assert outcome.quantile_us(1.0) < 500_000  # no call waits; on a busy machine some are interrupted
    assert len(outcome.empty_us) == len(outcome.calls_us)
    assert outcome.ratio < 1.3
    assert outcome.share < 0.6
    # The exit is in time.
    if case.kill is None:
        assert outcome.exit_s is not None
        assert outcome.exit_s < EXIT_S + 1.5  # a busy machine's; what hangs here hangs for as long as it is left
    # Nothing twice, nothing of a forked child's, nothing missing that is not owed or told.
    assert (outcome.repeated, outcome.foreign) == (0, 0)
    if case.owed == "counted":
        assert outcome.missing == outcome.told_lost > 0
    else:
        assert outcome.stored >= outcome.due
        assert outcome.told_lost == 0
        assert outcome.due > 0
    if case.kill is None:
        assert outcome.status == "finished"
    else:
        assert outcome.status == "running"
