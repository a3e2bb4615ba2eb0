"""Prints the table: `python -m tests.faults [--postgres] [part of a case's name]`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.bench.processes import databases
from tests.faults.cases import CASES
from tests.faults.suite import Outcome, run_case, serving

HEAD = (
    "| fault | loop with / without | client's threads | log() median, p99, max (us) | empty call | exit (s) | logged "
    "| on the service | twice | told lost | run's end |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def row(name: str, outcome: Outcome) -> str:
    """One line of the table."""
    quantiles, empty = (
        " / ".join(f"{outcome.quantile_us(share, empty=empty):.{digits}f}" for share in (0.5, 0.99, 1.0))
        for empty, digits in ((False, 0), (True, 1))
    )
    ended = "killed" if outcome.exit_s is None else f"{outcome.exit_s:.2f}"
    return (
        f"| {name} | {outcome.ratio:.2f} | {outcome.share:.1%} | {quantiles} | {empty} | {ended} "
        f"| {outcome.logged} | {outcome.stored} | {outcome.repeated} | {outcome.told_lost} | {outcome.status} |"
    )


def main() -> None:
    """Run the cases one by one."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="only cases whose name has this in it")
    parser.add_argument("--postgres", action="store_true", help="the service on Postgres instead of SQLite")
    parser.add_argument("--exit-timeout", type=float, default=3.0, help="the client's longest wait at the end, seconds")
    options = parser.parse_args()
    print(HEAD, flush=True)
    with databases() as urls, serving(urls["postgres" if options.postgres else "sqlite"]) as service:
        for case in CASES:
            if options.part in case.name:
                with tempfile.TemporaryDirectory() as folder:
                    outcome = run_case(case, service, Path(folder), exit_timeout_s=options.exit_timeout)
                print(row(case.name, outcome), flush=True)


if __name__ == "__main__":
    main()
