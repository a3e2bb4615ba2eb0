"""The service's own meters, in a registry of its own. No run id is ever a label: their number has no bound."""

from __future__ import annotations

from collections.abc import Callable
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from trackside_service.monitor import FinishResult, LookResult, OpenResult, RecordResult
from trackside_service.storage.census import Census


class Meters:
    """Counters of one process. `text` renders them in Prometheus' text format."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.posts = Counter("trackside_posts", "Posts of records that were committed.", registry=self.registry)
        self.points = Counter("trackside_points", "Metric values that were stored.", registry=self.registry)
        self.duplicates = Counter(
            "trackside_duplicate_records", "Records that were repetitions of stored ones.", registry=self.registry
        )
        self.post_seconds = Histogram(
            "trackside_post_duration_seconds",
            "From the parsed body of a post to its commit.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.rule_faults = Counter(
            "trackside_rule_faults", "Rules that raised instead of judging, by code.", ["code"], registry=self.registry
        )
        self.alerts_opened = Counter(
            "trackside_alerts_opened", "Alerts opened, by code.", ["code"], registry=self.registry
        )
        self.deliveries = Counter(
            "trackside_deliveries", "Attempts to deliver, by outcome.", ["outcome"], registry=self.registry
        )
        self.responses = Counter(
            "trackside_http_responses", "Answers, by status class.", ["status"], registry=self.registry
        )
        self.queue_depth = Gauge(
            "trackside_writer_queue_depth", "Posts waiting for the writer.", registry=self.registry
        )

        # Of the database, and so of all processes: what `counted` was told.
        self.channels = Gauge("trackside_channels", "Channels, by state.", ["state"], registry=self.registry)
        self.waiting = Gauge("trackside_deliveries_waiting", "Deliveries not settled yet.", registry=self.registry)
        self.dead = Gauge("trackside_deliveries_dead", "Deliveries that were given up.", registry=self.registry)
        self.late = Gauge(
            "trackside_delivery_lateness_seconds",
            "For how long the longest due delivery has been due.",
            registry=self.registry,
        )

    def counted(self, census: Census | None) -> None:
        """Show how the outbox stands; NaN where the database does not say."""
        self.channels.labels(state="enabled").set(nan if census is None else census.enabled)
        self.channels.labels(state="disabled").set(nan if census is None else census.disabled)
        self.waiting.set(nan if census is None else census.waiting)
        self.dead.set(nan if census is None else census.dead)
        self.late.set(nan if census is None else census.late_s)

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """Read the queue's depth from `depth` whenever the meters are read."""
        self.queue_depth.set_function(depth)

    def judged(self, result: OpenResult | RecordResult | FinishResult | LookResult) -> None:
        """Count the alerts that opened, and the rules that raised."""
        for fault in result.faults:
            self.rule_faults.labels(code=fault.code).inc()
        for change in result.changes:
            if change.event == "opened" and not change.surfaced:
                self.alerts_opened.labels(code=change.alert.code).inc()

    def posted(self, result: RecordResult, seconds: float) -> None:
        """Count a post whose commit came after `seconds`."""
        self.posts.inc()
        self.points.inc(result.points)
        self.duplicates.inc(result.duplicates)
        self.post_seconds.observe(seconds)
        self.judged(result)

    def attempted(self, outcome: str) -> None:
        """Count an attempt to deliver."""
        self.deliveries.labels(outcome=outcome).inc()

    def text(self) -> bytes:
        """Return the meters in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)
