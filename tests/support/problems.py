"""What every refusal looks like."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx

FIELDS = {"type", "title", "status", "detail", "code", "instance", "errors"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that `answer` is a problem of this status and code, in the one shape; return it."""
    said = f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
    assert answer.status_code == status, said
    assert answer.headers["content-type"] == "application/problem+json", said
    body: dict[str, Any] = answer.json()
    assert set(body) == FIELDS, said
    assert body["status"] == status, said
    assert body["code"] == code, said
    assert body["type"] == f"urn:trackside:problem:{code}", said
    assert body["title"], said
    assert body["detail"], said
    UUID(body["instance"].removeprefix("urn:uuid:"))
    for fault in body["errors"]:
        assert set(fault) == {"in", "pointer", "detail"}, said
        assert fault["in"] in ("body", "query", "path", "header"), said
        assert not fault["pointer"] or fault["pointer"].startswith("/"), said
        assert fault["detail"], said
    return body
