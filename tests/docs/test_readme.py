"""README's commands run as they stand, and its Python sample is one that the real client accepts."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def blocks(path: Path, language: str) -> list[str]:
    """Return the fenced blocks of `path` in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def run_shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `script` in bash in `folder`, and end everything that it left running."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACKSIDE_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def port_8000() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 8000))  # README names this port, so the test needs it


def test_shell_commands_do_what_readme_says(tmp_path: Path, port_8000: None) -> None:
    parts = blocks(ROOT / "README.md", "sh")
    assert len(parts) >= 7
    marked = [f"echo '=== {number}'\n{part}\necho\n" for number, part in enumerate(parts)]
    # The service that README leaves in the background must go, or the shell's output never ends.
    done = run_shell("".join(marked) + "kill %1\nwait\n", tmp_path)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    answers = re.split(r"^=== \d+$", done.stdout, flags=re.MULTILINE)[1:]
    assert '"project":"vision"' in answers[1].replace(" ", "")
    assert "LR001" in answers[2], "README says that the LR is ten times too low"
    assert "0.1" in answers[3]
    assert "scale" in answers[3]
    assert "not healthy" in answers[4]
    assert "0.01" in answers[5]
    assert "LOSS001" in answers[6]
    assert "PLAN" in answers[7]
    assert '"kind":"slack"' in answers[8].replace(" ", "")
    assert "hooks.slack.com/services" not in answers[8]
    assert (tmp_path / "trackside.db").exists()


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "client" / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
