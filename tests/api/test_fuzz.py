"""Generated requests, good and bad, over the whole OpenAPI document: no 5xx, and every answer as documented.

On Postgres, which refuses more (NUL in text, numbers beyond a column) than SQLite does.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import postgres
from tests.support.service import service

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "missing_required_header",
)


def test_generated_requests(postgres_server: postgres.Server, postgres_template: str, tmp_path: Path) -> None:
    name = postgres_server.create_database(template=postgres_template)
    # Nothing is sent: generated addresses are somebody's.
    settings = {"secret_key": "A" * 43 + "=", "deliver": False}
    with service(postgres_server.url(name), **settings) as url:
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", "--no-color"]
        command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--generation-deterministic"]
        command += ["--no-shrink", "--continue-on-failure", "--checks", ",".join(CHECKS)]
        # A test message would go out at once.
        command += ["--exclude-path", "/v1/channels/{channel_id}/test"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    postgres_server.drop_database(name)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
