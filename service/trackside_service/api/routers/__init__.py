"""One router a resource. `ROUTERS` is the order in which a path is looked for: what is asked most comes first."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from trackside_service.api.routers import (
    alerts,
    backtest,
    channels,
    check,
    deliveries,
    health,
    lr,
    projects,
    records,
    rules,
    runs,
    schedules,
    service,
    silences,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    records.router,
    runs.router,
    health.router,
    lr.router,
    schedules.router,
    check.router,
    backtest.router,
    rules.router,
    projects.router,
    alerts.router,
    silences.router,
    channels.router,
    deliveries.router,
    service.router,
)
