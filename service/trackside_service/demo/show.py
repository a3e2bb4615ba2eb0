"""The demo's story, told in a terminal."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import textwrap
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trackside_service.channels.plot import plot
from trackside_service.channels.webhook import verify
from trackside_service.demo.receiver import Message, Receiver
from trackside_service.demo.service import DemoError, call, running_service

_WIDTH = 100
_PLOT_WIDTH = 72
_PLOT_HEIGHT = 13
_TRAINING_TIMEOUT_S = 300.0
_ARRIVAL_TIMEOUT_S = 60.0
_SLACK_PATH = "/slack"
_WEBHOOK_PATH = "/webhook"
_LATER_URL = "http://127.0.0.1:8000"
_QUESTIONS = ("health", "lr", "records", "history?metric=lr&metric=val_acc&points=200")
_MARKS = {"info": "i", "warning": "!", "critical": "!!"}


def main(argv: Sequence[str] = ()) -> int:
    """Run the demo; return 0 if the first run's alerts arrived at the receiver and the second run is clean, else 1."""
    parser = argparse.ArgumentParser(
        prog="trackside demo", description="Two real trainings, watched from start to end."
    )
    parser.add_argument(
        "--folder", type=Path, help="where the database and the log go (default: a new temporary folder)"
    )
    args = parser.parse_args(argv)
    folder = args.folder or Path(tempfile.mkdtemp(prefix="trackside-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with Receiver() as receiver, running_service(folder) as url:
            demo = _Demo(url, receiver)
            demo.play()
    except DemoError as error:
        _say(f"\nThe demo failed: {error}")
        return 1
    _say("\nThe service has stopped. To ask for more, start it again on what it stored, and from another terminal:\n")
    _say(f"    {Path(sys.executable).parent / 'trackside'} serve --database-url sqlite:///{folder / 'trackside.db'}\n")
    for what in _QUESTIONS:
        _say(f"    curl '{_LATER_URL}/v1/runs/{demo.first}/{what}'")
    _say(f"    curl -H 'Accept: text/plain' '{_LATER_URL}/v1/runs/{demo.first}/health'")
    _say(f"    curl '{_LATER_URL}/v1/rules/ACC001' -H 'Accept: text/markdown'")
    return 0


class _Demo:
    def __init__(self, url: str, receiver: Receiver) -> None:
        self.url = url
        self.receiver = receiver
        self.webhook_secret = ""
        self.first = ""

    def play(self) -> None:
        """Both runs; raises `DemoError` where something is not as it should be."""
        _say(f"The service listens at {self.url} (SQLite); a receiver of webhooks at {self.receiver.url}.")
        self._subscribe()

        _title("First run: the plan of the incident")
        _say(
            "A linear warm-up of one tick over a cosine, stepped once an epoch: the LR rises a hundred times between\n"
            "the first epoch and the second. The network is real; the data are scikit-learn's handwritten digits.\n"
        )
        self.first = first = self._train("incident")
        self._plot(first)
        alerts = self._health(first)["alerts"]
        self._tell(alerts)
        self._expect_arrival(alerts)

        _title("Second run: the repaired plan")
        _say("A step decay that starts where training is stable; nothing else differs.\n")
        second = self._train("repaired")
        self._plot(second)
        health = self._health(second)
        self._tell(health["alerts"])

        _title("How both runs stand")
        for run_id in (first, second):
            _say(call("GET", f"{self.url}/v1/runs/{run_id}/health", accept="text/plain"))
        if health["health"] != "ok" or health["lr"]["verdict"] != "on_schedule":
            raise DemoError(
                f"the repaired run should be clean, but its health is {health['health']} and its LR {health['lr']}"
            )
        if health["status"] != "finished":
            raise DemoError(f"the repaired run should have finished, but is {health['status']}")

    def _subscribe(self) -> None:
        call(
            "POST", f"{self.url}/v1/channels", {"kind": "slack", "name": "team", "url": self.receiver.url + _SLACK_PATH}
        )
        made = call(
            "POST",
            f"{self.url}/v1/channels",
            {"kind": "webhook", "name": "bot", "url": self.receiver.url + _WEBHOOK_PATH},
        )
        self.webhook_secret = made["secret"]

    def _train(self, plan: str) -> str:
        run_id = str(uuid.uuid4())
        command = [
            sys.executable,
            "-m",
            "trackside.examples.digits",
            "--plan",
            plan,
            "--run-id",
            run_id,
            "--url",
            self.url,
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACKSIDE_")}
        try:
            done = subprocess.run(command, env=environment, check=False, timeout=_TRAINING_TIMEOUT_S)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"the training did not end within {_TRAINING_TIMEOUT_S:g} s") from error
        if done.returncode:
            raise DemoError(f"the training ended with status {done.returncode}")
        return run_id

    def _health(self, run_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = call("GET", f"{self.url}/v1/runs/{run_id}/health")
        return answer

    def _plot(self, run_id: str) -> None:
        answer = call("GET", f"{self.url}/v1/runs/{run_id}/lr")
        _say(f"\nLearning rate, expected and observed ({answer['verdict'].replace('_', ' ')}):\n")
        series = answer["series"]
        drawn = plot(
            [point["epoch"] for point in series],
            [point["expected"] for point in series],
            [point["observed"] for point in series],
            unit="epoch",
            width=_PLOT_WIDTH,
            height=_PLOT_HEIGHT,
        )
        _say(textwrap.indent(drawn, "  "))

    def _tell(self, alerts: Sequence[dict[str, Any]]) -> None:
        _say(f"\n{len(alerts)} alert{'' if len(alerts) == 1 else 's'}{':' if alerts else '.'}")
        for alert in alerts:
            _say(
                f"\n  {_MARKS[alert['severity']]:2} {alert['code']} {alert['severity']}:"
                f" {alert['title']}{_place(alert)}"
            )
            _say(_wrapped(alert["detail"]))
            _say(_wrapped(f"Advice: {alert['advice']}"))

    def _expect_arrival(self, alerts: Sequence[dict[str, Any]]) -> None:
        codes = {alert["code"] for alert in alerts}
        if not {"PLAN001", "ACC001"} <= codes:
            raise DemoError(f"the incident's plan should raise PLAN001 and ACC001, but raised {sorted(codes)}")
        # Channels are told from warning on, unless they ask for more.
        wanted = {alert["id"] for alert in alerts if alert["severity"] != "info"}

        def all_there(messages: Sequence[Message]) -> bool:
            return wanted <= {message.json()["data"]["alert"]["id"] for message in messages}

        messages = self.receiver.wait(all_there, _WEBHOOK_PATH, timeout=_ARRIVAL_TIMEOUT_S)
        if not all_there(messages):
            raise DemoError(f"{len(wanted)} alerts were opened, but the webhook received {len(messages)} messages")
        for message in messages:
            if not verify(self.webhook_secret, message.headers, message.body):
                raise DemoError("a webhook's signature is wrong")
        slack = self.receiver.wait(lambda found: len(found) >= len(wanted), _SLACK_PATH, timeout=_ARRIVAL_TIMEOUT_S)
        if len(slack) < len(wanted):
            raise DemoError(f"{len(wanted)} alerts were opened, but Slack received {len(slack)} messages")
        _say(
            f"\nThe webhook received {len(messages)} signed messages; Slack received {len(slack)}."
            " The gravest, as Slack got it:\n"
        )
        gravest = next((found for found in slack if "ACC001" in found.body.decode()), slack[0])
        _say(textwrap.indent(_slack_text(gravest.json()), "  | "))


def _slack_text(message: dict[str, Any]) -> str:
    """Return the text of a Block Kit message, a paragraph a block."""
    parts = []
    for block in message.get("blocks", []):
        texts = [block["text"]] if "text" in block else [*block.get("fields", []), *block.get("elements", [])]
        parts.append("\n".join(text["text"] for text in texts if isinstance(text.get("text"), str)))
    return "\n\n".join(part for part in parts if part) or str(message.get("text", ""))


def _place(alert: dict[str, Any]) -> str:
    opened = alert["opened"] or {}
    parts = [f"{name} {opened[name]:g}" for name in ("epoch", "step") if opened.get(name) is not None]
    return f" ({', '.join(parts)})" if parts else " (before training)"


def _wrapped(text: str) -> str:
    return "\n".join(
        textwrap.fill(line, _WIDTH, initial_indent="     ", subsequent_indent="     ") for line in text.splitlines()
    )


def _title(text: str) -> None:
    _say(f"\n{'=' * _WIDTH}\n{text}\n{'=' * _WIDTH}\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
