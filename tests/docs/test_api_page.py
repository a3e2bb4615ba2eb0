"""docs/api.md: its commands run as they stand, its refusal and its table of codes are the service's own."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tests.docs.test_readme import ROOT, blocks, run_shell
from tests.support.receiver import receiving
from tests.support.service import service

from trackside_service.api.problems import STATUSES, status_of
from trackside_service.channels import parse_targets

PAGE = ROOT / "docs" / "api.md"


def test_the_commands_run_as_they_stand(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copyfile(sqlite_template, tmp_path / "trackside.db")
    database = f"sqlite:///{tmp_path / 'trackside.db'}"
    parts = blocks(PAGE, "sh")
    # All but the two addresses as written: the service's port, and a receiver of our own in the place of example.com.
    with receiving() as receiver, service(database, allow_targets=parse_targets("127.0.0.0/8")) as url:
        script = "".join(f"echo '=== {number}'\n{part}\n" for number, part in enumerate(parts))
        script = script.replace("http://127.0.0.1:8000", url)
        script = script.replace("https://example.com/hooks/trackside", receiver.url("/hooks/trackside"))
        done = run_shell(script, tmp_path)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert [each.json["type"] for each in receiver.received] == ["channel.test"]
    answers = dict(zip(parts, re.split(r"^=== \d+$", done.stdout, flags=re.MULTILINE)[1:], strict=True))

    def answer_to(words: str) -> str:
        (found,) = [answer for part, answer in answers.items() if words in part]
        return found

    assert '"accepted":3' in answer_to("/records -H")
    assert "LOSS001" in answer_to("/records -H")
    assert "the run is in trouble" in answer_to("fail_on")
    assert "CRITICAL LOSS001" in answer_to("fail_on")
    assert '"verdict":"on_schedule"' in answer_to("/lr?points")
    assert '"status":"failed"' in answer_to("PATCH $URL/v1/runs")
    assert '"evidence"' in answer_to("api $URL/v1/alerts/$ALERT\n")
    assert '"by":"ada","note":"restarting with half the peak"' in answer_to("/acknowledge")
    assert '"code":["LOSS"]' in answer_to("/v1/silences")
    assert '"family":"scale"' in answer_to('"lr_text"')
    assert '"cause":"never_stepped"' in answer_to('"metric": 0.9132')
    assert '"class":"StepLR"' in answer_to("/identify")
    assert '"code":"LOSS001"' in answer_to("/v1/check")
    assert '"delivered":true' in answer_to("/test")
    assert '"codes":["LOSS","LR001"]' in answer_to("-X PATCH $URL/v1/channels")
    assert '"replayed":0' in answer_to("/replays")
    assert "trackside_points_total 9.0" in answer_to("/metrics")
    (shown,) = blocks(PAGE, "json")
    refused = json.loads(answer_to("totl_epochs"))
    assert {**refused, "instance": None} == {**json.loads(shown), "instance": None}


def test_the_table_of_codes_is_complete() -> None:
    rows = re.findall(r"^\| (\d{3}) \| ([^|]*) \|", PAGE.read_text(), flags=re.MULTILINE)
    written = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    known = {(int(status_of(error)), error.code) for error in STATUSES}
    # A schedule's and a target's refusals have their parent's line in the table of statuses.
    children = {(422, "invalid_schedule"), (422, "target_refused")}
    assert written == known | children
