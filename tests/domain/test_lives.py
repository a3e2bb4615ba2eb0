"""Placing records: repetitions, additions, corrections, what lies behind, and lives that begin."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackside_service.domain import lives
from trackside_service.domain.lives import Placement, Progress, Seen
from trackside_service.domain.place_memory import PlaceMemory
from trackside_service.domain.records import Position, Record


class Log:
    """Places records one after the other, as the monitor does, keeping the latest life of each process."""

    def __init__(self, steps_per_epoch: int | None = None) -> None:
        self.memory = PlaceMemory()
        self.lives: dict[str | None, Progress] = {}
        self.steps_per_epoch = steps_per_epoch
        self.highest = -1

    def put(self, record: Record, process: str | None = None) -> Placement:
        if process not in self.lives:
            self.highest += 1
            self.lives[process] = lives.first_life(process, self.highest)
        placed = lives.place(
            self.lives[process],
            record,
            self.memory,
            steps_per_epoch=self.steps_per_epoch,
            next_number=self.highest + 1,
        )
        self.memory.add(record.position, placed)
        self.lives[process] = placed.progress
        self.highest = max(self.highest, placed.progress.number)
        return placed

    def put_all(self, records: Sequence[Record], process: str | None = None) -> list[Placement]:
        return [self.put(record, process) for record in records]


def epoch(number: float, **metrics: float) -> Record:
    return Record(metrics, epoch=number)


def step(number: int, **metrics: float) -> Record:
    return Record(metrics, step=number)


def kinds(placements: Sequence[Placement]) -> list[str]:
    return [placed.kind for placed in placements]


def test_a_run_that_moves_forward_asks_for_no_stored_value() -> None:
    class NoPlaces:
        def seen(self, position: Position, life: int | None, metrics: Mapping[str, float]) -> Seen:  # noqa: ARG002
            raise AssertionError("asked")

    progress = lives.first_life()
    for number in range(5):
        placed = lives.place(progress, step(number, loss=1.0), NoPlaces())
        assert placed.kind == "new"
        assert placed.starts_life is (number == 0)
        progress = placed.progress
    assert progress.last_step == 4


def test_the_same_batch_twice_changes_nothing_though_it_falls_back() -> None:
    log = Log()
    batch = [epoch(1, loss=2.0), epoch(2, loss=math.nan), epoch(2, acc=3.0), epoch(3, loss=1.0)]
    assert kinds(log.put_all(batch)) == ["new", "new", "merge", "new"]
    before = log.lives[None]
    assert kinds(log.put_all(batch)) == ["duplicate"] * 4
    assert log.lives[None] == before


def test_new_names_merge_and_another_value_is_a_relog() -> None:
    log = Log()
    log.put(epoch(4, loss=2.0))
    merged = log.put(epoch(4, loss=2.0, acc=0.5))
    assert (merged.kind, dict(merged.metrics)) == ("merge", {"acc": 0.5})
    again = log.put(epoch(4, loss=2.5, acc=0.5))
    assert (again.kind, dict(again.metrics)) == ("relog", {"loss": 2.5})
    assert log.put(epoch(4, loss=2.5)).is_duplicate
    assert log.put(epoch(4, loss=2.0)).is_duplicate


def test_a_late_addition_is_behind_and_no_new_life() -> None:
    log = Log()
    log.put_all([epoch(1, loss=3.0), epoch(2, loss=2.0)])
    late = log.put(epoch(1, acc=0.1))
    assert (late.kind, late.behind, late.opens_life) == ("merge", True, False)


def test_falling_back_starts_a_life_and_both_batches_can_be_repeated() -> None:
    log = Log()
    first = [epoch(n, loss=10.0 - n) for n in range(1, 7)]
    second = [epoch(n, loss=20.0 - n) for n in range(3, 6)]
    log.put_all(first)
    placed = log.put_all(second)
    assert [p.progress.number for p in placed] == [1, 1, 1]
    assert [p.opens_life for p in placed] == [True, False, False]
    assert [p.starts_life for p in placed] == [True, False, False]
    assert not any(p.behind for p in placed)
    assert kinds(log.put_all(second)) == ["duplicate"] * 3
    # 6 lies beyond what the second life has seen, but not beyond what the run has.
    assert kinds(log.put_all(first)) == ["duplicate"] * 6
    assert log.put(epoch(6, loss=0.5)).kind == "new"
    assert log.lives[None].number == 1


def test_the_sequence_number_of_a_process_is_the_key() -> None:
    log = Log()
    records = [Record({"loss": 1.0}, step=n, seq=n) for n in range(4)]
    log.put_all([records[0], records[3]], "a")
    assert log.put(records[3], "a").is_duplicate
    late = log.put(records[1], "a")
    assert (late.kind, late.behind) == ("new", True)
    assert list(log.lives["a"].seqs) == [(0, 1), (3, 3)]
    log.put(records[2], "a")
    assert list(log.lives["a"].seqs) == [(0, 3)]
    other = log.put(records[3], "b")
    assert (other.kind, other.starts_life, other.progress.number) == ("new", True, 1)


def test_the_same_values_at_the_same_place_with_another_seq_are_kept() -> None:
    log = Log()
    log.put(Record({"loss": 1.0}, step=5, seq=0), "a")
    assert log.put(Record({"loss": 1.0}, step=5, seq=1), "a").kind == "new"


def test_a_named_process_never_opens_a_life_by_falling_back() -> None:
    log = Log()
    log.put_all([step(10, loss=1.0), step(20, loss=0.5)], "a")
    placed = log.put(step(12, loss=0.7), "a")
    assert (placed.kind, placed.behind, placed.opens_life) == ("new", True, False)
    assert log.put(step(12, loss=0.7), "a").is_duplicate
    assert log.put(step(12, loss=0.9), "a").kind == "relog"
    # Another process that reports the same there is another life's report.
    assert log.put(step(12, loss=0.7), "b").kind == "new"


def test_seq_without_a_process_is_no_key() -> None:
    log = Log()
    log.put(Record({"loss": 1.0}, step=1, seq=0))
    assert log.put(Record({"loss": 0.9}, step=2, seq=0)).kind == "new"
    assert log.put(Record({"loss": 0.9}, step=2, seq=7)).is_duplicate


@pytest.mark.parametrize("steps_per_epoch", [None, 100])
def test_summaries_between_steps_are_neither_behind_nor_a_new_life(steps_per_epoch: int | None) -> None:
    log = Log(steps_per_epoch)
    placed = []
    for e in range(3):  # epochs printed from 0 at their end: the summary of epoch 0 comes after step 99
        placed += log.put_all([step(e * 100 + 50, loss=1.0), step(e * 100 + 99, loss=0.9), epoch(e, acc=0.1)])
    assert not any(p.behind or p.opens_life for p in placed)


def test_an_epoch_far_behind_the_steps_falls_back_where_steps_per_epoch_are_known() -> None:
    known, unknown = Log(100), Log()
    for log in (known, unknown):
        log.put(step(1000, loss=1.0))
    assert known.put(epoch(2, acc=0.1)).opens_life
    assert not unknown.put(epoch(2, acc=0.1)).opens_life


def test_steps_counted_inside_each_epoch_move_forward() -> None:
    log = Log()
    batch = [Record({"loss": 5.0 - e - s / 10}, step=s, epoch=float(e)) for e in range(4) for s in range(3)]
    placed = log.put_all(batch)
    assert not any(p.behind or p.opens_life for p in placed)
    assert kinds(log.put_all(batch)) == ["duplicate"] * len(batch)
    assert log.put(Record({"loss": 9.0}, step=1, epoch=1.0)).opens_life


def test_step_and_epoch_name_one_place_unless_the_epochs_differ() -> None:
    assert lives.same_place(Position(5, 1.0), Position(5))
    assert not lives.same_place(Position(5, 1.0), Position(5, 2.0))
    assert not lives.same_place(Position(5, 1.0), Position(None, 1.0))
    assert lives.same_place(Position(None, 1.5), Position(None, 1.5))


def test_progress_survives_json() -> None:
    log = Log()
    log.put_all([Record({"loss": 1.0}, step=n, epoch=n / 2, seq=n) for n in (0, 1, 5)], "a")
    log.put(epoch(7, acc=1.0), "a")
    progress = log.lives["a"]
    assert lives.load(json.loads(json.dumps(lives.dump(progress)))) == progress
    assert progress.last_epoch == 7


def test_gaps_in_the_sequence_are_bounded() -> None:
    progress = lives.first_life("a")
    memory = PlaceMemory()
    for seq in range(0, 2 * lives.MAX_INTERVALS + 20, 2):
        progress = lives.place(progress, Record({}, step=seq, seq=seq), memory).progress
    assert len(progress.seqs) == lives.MAX_INTERVALS
    assert progress.seqs[-1] == (2 * lives.MAX_INTERVALS + 18,) * 2


def test_a_number_in_a_forgotten_gap_is_stored_and_not_taken_for_a_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "MAX_INTERVALS", 3)
    log = Log()
    for seq in (0, 10, 20, 30, 40):  # the gaps up to 20 are forgotten
        log.put(Record({"loss": 1.0}, step=seq, seq=seq), "a")
    progress = log.lives["a"]
    assert (progress.seqs, progress.blurred) == (((0, 20), (30, 30), (40, 40)), 20)
    assert lives.load(json.loads(json.dumps(lives.dump(progress)))) == progress
    late = Record({"loss": 2.0}, step=5, seq=5)  # never seen
    placed = log.put(late, "a")
    assert (placed.kind, placed.behind, placed.opens_life) == ("new", True, False)
    assert log.put(late, "a").is_duplicate  # and once only
    assert log.put(Record({"loss": 1.0}, step=40, seq=40), "a").is_duplicate
    assert log.put(Record({"loss": 2.0}, step=25, seq=25), "a").kind == "new"
    assert log.put(Record({"loss": 2.0}, step=25, seq=25), "a").is_duplicate


def test_a_look_up_does_not_grow_with_what_stands_at_the_place() -> None:
    began = time.process_time()
    Log().put_all([epoch(1, loss=float(n)) for n in range(20_000)])
    assert time.process_time() - began < 20  # half a second; it was half an hour


def test_a_log_that_always_falls_back_opens_only_so_many_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "MAX_LIVES", 3)
    log = Log()
    placed = log.put_all([step(100 - n, loss=float(n)) for n in range(10)])
    assert log.lives[None].number == 2
    assert placed[-1].behind


EPOCHS = st.sampled_from([None, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 7.0])
VALUES = st.sampled_from([0.0, 1.0, math.nan, math.inf])
RECORDS = st.builds(
    lambda step, epoch, metrics: Record(metrics, step=1 if step is epoch is None else step, epoch=epoch),
    st.none() | st.integers(0, 12),
    EPOCHS,
    st.dictionaries(st.sampled_from(["a", "b"]), VALUES, max_size=2),
)


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=25), st.sampled_from([None, 3]), st.booleans())
def test_any_post_repeated_whole_or_in_part_changes_nothing(
    batch: list[Record], steps_per_epoch: int | None, named: bool
) -> None:
    log, process = Log(steps_per_epoch), "p" if named else None
    for begin in range(0, len(batch), 5):
        log.put_all(batch[begin : begin + 5], process)
        log.put_all(batch[begin : begin + 5], process)  # the answer was lost
    before = dict(log.lives)
    assert all(placed.is_duplicate for placed in log.put_all(batch, process))
    assert log.lives == before
    assert log.highest <= len(batch)
