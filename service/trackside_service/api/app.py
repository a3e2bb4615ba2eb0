"""The application, assembled: routes, refusals, the door, the OpenAPI document, and what starts and stops with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from trackside_service.api import documents, problems
from trackside_service.api.answers import Answer
from trackside_service.api.context import Context
from trackside_service.api.parameters import refuse_unknown
from trackside_service.api.routers import ROUTERS, records
from trackside_service.api.security import Door


def create_app(context: Context) -> FastAPI:
    """Return the application over `context`; its lifespan starts the writer, the courier and the sweeper, and drains
    them at the end.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        context.writer.start()
        if context.courier is not None:
            context.courier.start()
        if context.sweeper is not None:
            context.sweeper.start()
        try:
            yield
        finally:
            if context.sweeper is not None:
                await run_in_threadpool(context.sweeper.stop)
            # The writer first: what it still commits is what the courier may still send.
            await run_in_threadpool(context.writer.stop)
            if context.courier is not None:
                await run_in_threadpool(context.courier.stop)

    app = _Application(
        lifespan=lifespan,
        middleware=[
            Middleware(problems.Guard, meters=context.meters),
            Middleware(Door, admin_key=context.options.admin_key),
        ],
        dependencies=[Depends(refuse_unknown)],
        default_response_class=Answer,
        generate_unique_id_function=lambda route: route.name,
        # The framework's pages load their scripts from another site.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.context = context
    # Before the others, since the first route that matches is taken.
    app.router.routes.append(records.DIRECT)
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app, _routes())
    return app


class _Application(FastAPI):
    """FastAPI with our own OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """Return the document, made once."""
        if not self.openapi_schema:
            self.openapi_schema = documents.build(self, _routes())
        return self.openapi_schema


def _routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
