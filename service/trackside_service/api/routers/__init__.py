"""One router a resource; `ROUTERS` is the order of the document."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from trackside_service.api.routers import alerts, channels, check, health, lr, records, rules, runs, schedules, service

ROUTERS: Final[tuple[APIRouter, ...]] = (
    runs.router,
    records.router,
    health.router,
    lr.router,
    schedules.router,
    check.router,
    rules.router,
    alerts.router,
    channels.router,
    service.router,
)
