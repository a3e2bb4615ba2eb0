"""From settings to what the service works with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from trackside_service.api.context import Context, Options
from trackside_service.api.metrics import Meters
from trackside_service.backoff import STANDARD_WEBHOOKS
from trackside_service.channels.outbound import Outbound
from trackside_service.channels.secrets import open_secrets
from trackside_service.courier import Courier
from trackside_service.settings import Settings, SettingsError
from trackside_service.storage import migrate
from trackside_service.storage.engine import open_engine
from trackside_service.sweeper import Sweeper
from trackside_service.writer import GROUP_LIMIT, Writer

POOL_SIZE: Final = 20


def open_context(settings: Settings) -> Context:
    """Open everything that `settings` ask for; nothing runs yet. Raises `InvalidInputError` on a bad address or key."""
    engine = open_engine(settings.database_url, pool_size=POOL_SIZE)
    secrets = open_secrets(settings.secret_key, settings.database_url)
    outbound = Outbound(settings.allow_targets)
    meters = Meters()
    courier = Courier(
        engine,
        secrets,
        outbound,
        schedule=settings.retry_schedule or STANDARD_WEBHOOKS,
        on_attempt=meters.attempted,
        public_url=settings.public_url,
        group_window_s=settings.group_window_s,
        dead_after=timedelta(hours=settings.disable_after_h) if settings.disable_after_h else None,
    )

    def after_commit(results: Sequence[Any]) -> None:
        if any(getattr(result, "changes", ()) for result in results):
            courier.wake()

    writer = Writer(
        engine,
        group_limit=1 if settings.group_one_run else GROUP_LIMIT,
        on_commit=after_commit if settings.deliver else None,
    )
    meters.watch_queue(lambda: writer.waiting)
    sweeper = None
    if settings.sweep_s:
        sweeper = Sweeper(engine, writer.submit, every_s=settings.sweep_s, on_result=meters.judged)
    return Context(
        engine=engine,
        writer=writer,
        courier=courier if settings.deliver else None,
        secrets=secrets,
        outbound=outbound,
        meters=meters,
        sweeper=sweeper,
        options=Options(admin_key=settings.admin_key, max_body_bytes=settings.max_body_bytes),
    )


def prepare_database(settings: Settings) -> None:
    """Bring the database to this version's revision: SQLite by itself, Postgres where `migrate` is set.

    Raises `SettingsError`, which says what to run, and `StorageUnavailableError`.
    """
    engine = open_engine(settings.database_url)
    try:
        if settings.is_sqlite or settings.migrate:
            migrate.upgrade(engine)
        elif not migrate.is_current(engine):
            raise SettingsError(
                "the database is not at the revision that this version works with: "
                "run 'trackside migrate' first, or start with --migrate"
            )
    finally:
        engine.dispose()
