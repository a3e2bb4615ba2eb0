"""Every table, once, for SQLite and Postgres.

The rules that keep the door to a distributed Postgres open: keys of per-run tables lead with `run_id`, constraints have
names, identity columns only in CREATE TABLE, no triggers, and the queue of deliveries stands in small tables of its own
without a key into the runs.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.storage.types import UtcDateTime

metadata: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows by itself only in a column declared INTEGER PRIMARY KEY.
_Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _of_run() -> sa.Column[UUID]:
    return sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True)


runs: Final = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Uuid(), primary_key=True),
    sa.Column("project", sa.Text(), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("reason", sa.Text()),
    sa.Column("health", sa.Text(), nullable=False),
    # The newest declaration (the body of PUT without `process`): a PUT that equals it changes nothing.
    sa.Column("declaration", sa.JSON(), nullable=False),
    # The project's settings of the rules when the run was opened, where it had any: what the run is judged by.
    sa.Column("project_rules", sa.JSON(none_as_null=True)),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("ended_at", UtcDateTime()),
    sa.Column("last_seen_at", UtcDateTime(), nullable=False),
    # The ordinal that the next record of the run gets. Its row is locked while a post is worked on.
    sa.Column("next_ordinal", sa.BigInteger(), nullable=False),
    # Drawn anew by every write of the run: a process may keep what it knows of the run and check it by this under the
    # run's lock. Not a count, because a write that was rolled back could then be taken for another's.
    sa.Column("version", sa.BigInteger(), nullable=False),
    # How regularly it is heard of (domain/cadence.py): posts of the present process, the longest pause between two, and
    # the silence that is normal by them; null where nobody waits for the run.
    sa.Column("posts", sa.SmallInteger(), nullable=False, server_default="0"),
    sa.Column("longest_pause_s", sa.Double(), nullable=False, server_default="0"),
    sa.Column("silence_limit_s", sa.Double()),
    # When to look whether it is silent: never later than it could be. A post moves it only to an earlier time, so that
    # most posts change no index.
    sa.Column("deadline_at", UtcDateTime()),
    sa.CheckConstraint("status IN ('running', 'finished', 'failed', 'killed')", name="status"),
    sa.CheckConstraint("health IN ('ok', 'info', 'warning', 'critical')", name="health"),
    sa.Index("ix_runs_project_created_at", "project", "created_at"),
    sa.Index(
        "ix_runs_deadline_at",
        "deadline_at",
        "run_id",
        sqlite_where=sa.text("deadline_at IS NOT NULL"),
        postgresql_where=sa.text("deadline_at IS NOT NULL"),
    ),
)

project_rules: Final = sa.Table(
    "project_rules",
    metadata,
    sa.Column("project", sa.Text(), primary_key=True),
    sa.Column("rules", sa.JSON(), nullable=False),
    sa.Column("changed_at", UtcDateTime(), nullable=False),
)

process_lives: Final = sa.Table(
    "process_lives",
    metadata,
    _of_run(),
    sa.Column("number", sa.SmallInteger(), primary_key=True),
    sa.Column("process", sa.Text()),
    sa.Column("resumed_from_step", sa.BigInteger()),
    sa.Column("started_at", UtcDateTime(), nullable=False),
    # What held for this life, where a later one declared the run anew (a resume may change the schedule).
    sa.Column("declaration", sa.JSON(none_as_null=True)),
    # Where the life stands (domain/lives.py): its last positions, and the sequence numbers seen, as intervals.
    sa.Column("progress", sa.JSON(), nullable=False),
    # Records that the process could neither send nor keep, by its own count of them all.
    sa.Column("lost", sa.BigInteger(), nullable=False, server_default="0"),
    sa.UniqueConstraint("run_id", "process", name="uq_process_lives_run_id_process"),
)

metrics: Final = sa.Table(
    "metrics",
    metadata,
    _of_run(),
    sa.Column("metric_id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("points", sa.BigInteger(), nullable=False),
    # Whether every point lies ahead of the one before, so that none can be a re-log of another.
    sa.Column("ordered", sa.Boolean(name="ordered"), nullable=False),
    # The latest value, so that a list of runs need not touch the points.
    sa.Column("last_ordinal", sa.BigInteger(), nullable=False),
    sa.Column("last_step", sa.BigInteger()),
    sa.Column("last_epoch", sa.Double()),
    sa.Column("last_value", sa.Double()),
    sa.Column("last_kind", sa.Text(), nullable=False),
    sa.UniqueConstraint("run_id", "name", name="uq_metrics_run_id_name"),
)

points: Final = sa.Table(
    "points",
    metadata,
    _of_run(),
    sa.Column("metric_id", sa.Integer(), primary_key=True, autoincrement=False),
    # The server's count of the run's records: storage order is arrival order, and all values of a record share it.
    sa.Column("ordinal", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("life", sa.SmallInteger(), nullable=False),
    sa.Column("step", sa.BigInteger()),
    sa.Column("epoch", sa.Double()),
    sa.Column("time", UtcDateTime()),
    sa.Column("value", sa.Double()),
    sa.Column("kind", sa.Text(), nullable=False),
    # True where the reporter gave no sequence number, so that the place is what tells a repetition.
    sa.Column("by_place", sa.Boolean(name="by_place"), nullable=False),
    # True where the record's position lay behind its life's last one; a detector's state is rebuilt with it.
    sa.Column("behind", sa.Boolean(name="behind"), nullable=False),
    sa.CheckConstraint("kind IN ('finite', 'nan', '+inf', '-inf')", name="kind"),
    sa.CheckConstraint("(kind = 'finite') = (value IS NOT NULL)", name="value_or_kind"),
    sa.Index(
        "ix_points_by_place",
        "run_id",
        "step",
        "epoch",
        # A look-up at a place where thousands of values stand finds the one.
        "metric_id",
        "value",
        sqlite_where=sa.text("by_place"),
        postgresql_where=sa.text("by_place"),
    ),
    sqlite_with_rowid=False,
)

detectors: Final = sa.Table(
    "detectors",
    metadata,
    _of_run(),
    sa.Column("state", sa.LargeBinary(), nullable=False),
    # The state holds the records before this ordinal. The few after it are shown to the rules again when it is loaded,
    # so that not every small post has to write it.
    sa.Column("ordinal", sa.BigInteger(), nullable=False),
)

alerts: Final = sa.Table(
    "alerts",
    metadata,
    _of_run(),
    sa.Column("alert_id", sa.Uuid(), primary_key=True),
    sa.Column("code", sa.Text(), nullable=False),
    sa.Column("subject", sa.Text(), nullable=False),
    sa.Column("episode", sa.Integer(), nullable=False),
    sa.Column("severity", sa.Text(), nullable=False),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("title", sa.Text(), nullable=False),
    sa.Column("detail", sa.Text(), nullable=False),
    sa.Column("advice", sa.Text(), nullable=False),
    sa.Column("evidence", sa.JSON(), nullable=False),
    # Places in the run: {"step", "epoch"} or null.
    sa.Column("opened", sa.JSON(none_as_null=True)),
    sa.Column("detected", sa.JSON(none_as_null=True)),
    sa.Column("resolved", sa.JSON(none_as_null=True)),
    sa.Column("opened_at", UtcDateTime(), nullable=False),
    sa.Column("changed_at", UtcDateTime(), nullable=False),
    sa.Column("resolved_at", UtcDateTime()),
    sa.Column("acknowledged_at", UtcDateTime()),
    sa.Column("acknowledged_by", sa.Text()),
    sa.Column("acknowledged_note", sa.Text()),
    # The alert that this one is a symptom of. No key: both are the run's and go with it.
    sa.Column("cause_id", sa.Uuid()),
    sa.Column("flaps", sa.Integer(), nullable=False, server_default=sa.text("0")),
    sa.Column("calm_since", UtcDateTime()),
    # What people were told, and what is still to come (domain/alerts.py: Telling).
    sa.Column("told", sa.Text()),
    sa.Column("withheld_until", UtcDateTime()),
    sa.Column("remind_at", UtcDateTime()),
    sa.Column("reminders", sa.Integer(), nullable=False, server_default=sa.text("0")),
    # When it has to be looked at again though nothing is heard of its run; the sweep asks for these.
    sa.Column("due_at", UtcDateTime()),
    sa.CheckConstraint("severity IN ('info', 'warning', 'critical')", name="severity"),
    sa.CheckConstraint("state IN ('open', 'resolved', 'ended')", name="state"),
    sa.UniqueConstraint("run_id", "code", "subject", "episode", name="uq_alerts_run_id_code_subject_episode"),
    # The run's lock already makes racing posts open one alert; this is the belt to those braces.
    sa.Index(
        "uq_alerts_open",
        "run_id",
        "code",
        "subject",
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    ),
    sa.Index("ix_alerts_alert_id", "alert_id"),
    sa.Index("ix_alerts_opened_at", "opened_at"),
    sa.Index(
        "ix_alerts_due_at",
        "due_at",
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    ),
)

silences: Final = sa.Table(
    "silences",
    metadata,
    sa.Column("silence_id", sa.Uuid(), primary_key=True),
    # {"project": [...], "run": [...], "tag": [...], "code": [...], "severity": [...]}, without the empty ones.
    sa.Column("matchers", sa.JSON(), nullable=False),
    sa.Column("until", UtcDateTime(), nullable=False),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("created_by", sa.Text()),
    sa.Column("note", sa.Text()),
    sa.Index("ix_silences_until", "until"),
    sa.Index("ix_silences_created_at", "created_at"),
)

channels: Final = sa.Table(
    "channels",
    metadata,
    sa.Column("channel_id", sa.Uuid(), primary_key=True),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("project", sa.Text()),
    sa.Column("min_severity", sa.Text(), nullable=False),
    sa.Column("events", sa.JSON(), nullable=False),
    # Rules' codes or families, and tags, of which an alert or its run must have one; null asks for none.
    sa.Column("codes", sa.JSON(none_as_null=True)),
    sa.Column("tags", sa.JSON(none_as_null=True)),
    # Encrypted from the first migration on: an address may itself be a secret (Slack's is).
    sa.Column("url", sa.LargeBinary(), nullable=False),
    sa.Column("secret", sa.LargeBinary()),
    # What may be shown of the address: scheme and host.
    sa.Column("target", sa.Text(), nullable=False),
    sa.Column("disabled_reason", sa.Text()),
    sa.Column("disabled_at", UtcDateTime()),
    # When the last message left, for channels whose messages are grouped.
    sa.Column("told_at", UtcDateTime()),
    # Messages a minute, where the user wants another limit than the kind's.
    sa.Column("max_per_minute", sa.Integer()),
    # Nothing is sent before: the receiver asked for a pause (429), or the limit does.
    sa.Column("ready_at", UtcDateTime()),
    # The time of day (HH:MM, UTC) of the digest and when it is due next, where it is asked for; when one was last due.
    sa.Column("digest_at", sa.Text()),
    sa.Column("digest_due_at", UtcDateTime()),
    sa.Column("digested_at", UtcDateTime()),
    # When a message last arrived, to about a minute.
    sa.Column("delivered_at", UtcDateTime()),
    # The first attempt that failed with nothing delivered since, and how many messages were refused for good since.
    sa.Column("failing_since", UtcDateTime()),
    sa.Column("refusals", sa.Integer(), nullable=False, server_default=sa.text("0")),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.CheckConstraint("min_severity IN ('info', 'warning', 'critical')", name="min_severity"),
)

deliveries: Final = sa.Table(
    "deliveries",
    metadata,
    # Order of creation: within one channel and alert, messages leave in this order.
    sa.Column("number", _Serial, sa.Identity(always=False), primary_key=True),
    # Travels as the message's id, the same on every attempt.
    sa.Column("delivery_id", sa.Uuid(), nullable=False),
    sa.Column("channel_id", sa.Uuid(), sa.ForeignKey("channels.channel_id", ondelete="CASCADE"), nullable=False),
    # No key into the runs: queues stay local tables where the runs are distributed.
    sa.Column("run_id", sa.Uuid()),
    sa.Column("alert_id", sa.Uuid()),
    sa.Column("event", sa.Text(), nullable=False),
    # The alert and the run as they were when the event happened; the message is rendered from it.
    sa.Column("snapshot", sa.JSON(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("attempts", sa.Integer(), nullable=False),
    # So many of them were made before it was sent anew: the retry schedule counts from there.
    sa.Column("round_began", sa.Integer(), nullable=False, server_default=sa.text("0")),
    sa.Column("due_at", UtcDateTime(), nullable=False),
    sa.Column("lease", sa.Uuid()),
    sa.Column("leased_until", UtcDateTime()),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("settled_at", UtcDateTime()),
    sa.CheckConstraint("status IN ('pending', 'delivered', 'failed')", name="status"),
    sa.UniqueConstraint("delivery_id", name="uq_deliveries_delivery_id"),
    # What is due is asked for channel by channel, so that the backlog of one never stands before another's.
    sa.Index(
        "ix_deliveries_due",
        "channel_id",
        "due_at",
        "number",
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    ),
    # Whether an earlier message about the same alert still waits.
    sa.Index(
        "ix_deliveries_order",
        "alert_id",
        "channel_id",
        "number",
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    ),
    # The dead letters, over all channels.
    sa.Index(
        "ix_deliveries_failed",
        "number",
        sqlite_where=sa.text("status = 'failed'"),
        postgresql_where=sa.text("status = 'failed'"),
    ),
    sa.Index("ix_deliveries_channel_id_number", "channel_id", "number"),
)

attempts: Final = sa.Table(
    "attempts",
    metadata,
    sa.Column(
        "delivery_number",
        sa.BigInteger(),
        sa.ForeignKey("deliveries.number", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("attempt", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime(), nullable=False),
    sa.Column("duration_ms", sa.Double(), nullable=False),
    sa.Column("status_code", sa.Integer()),
    sa.Column("error", sa.Text()),
)
