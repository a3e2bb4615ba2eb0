"""The body of PUT: what is declared about the run, and the process that reports."""

from __future__ import annotations

from typing import Any

from trackside_service.domain.declarations import ProcessSpec, parse_process, parse_run
from trackside_service.domain.runs import RunSpec
from trackside_service.errors import Fault, InvalidInputError


def split_declaration(body: Any) -> tuple[RunSpec, ProcessSpec | None]:
    """Return both parts of PUT's body. Raises `InvalidInputError` with the faults of both."""
    faults: list[Fault] = []
    process: ProcessSpec | None = None
    declared = body
    if isinstance(body, dict):
        declared = {name: value for name, value in body.items() if name != "process"}
        if body.get("process") is not None:
            try:
                process = parse_process(body["process"])
            except InvalidInputError as error:
                faults += error.faults
    try:
        spec = parse_run(declared)
    except InvalidInputError as error:
        raise InvalidInputError(error.detail, faults=[*error.faults, *faults]) from None
    if faults:
        raise InvalidInputError("The process cannot be accepted.", faults=faults)
    return spec, process
