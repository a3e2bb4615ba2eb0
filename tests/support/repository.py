"""What must not be in the repository, and what must: run by `make check`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOP = {"pyproject.toml", "README.md", "service", "client", "migrations", "tests", "docker-compose.yml"}
TOP |= {"LICENSE", "CHANGELOG.md", "Makefile", "requirements.lock", "docs"}
FORBIDDEN = {
    "an address of a package registry": re.compile(r"https?://[^\s\"']*/(simple|packages)/"),
    "a path of a machine": re.compile(r"(?<![\w.])/(work|root|home/\w+)/"),
    "a secret of Slack": re.compile(r"hooks\.slack\.com/services/T(?!0{8}/)[0-9A-Z]{8,}/B[0-9A-Z]{8,}/\w{24}"),
}
NEVER = re.compile(r"(^|/)(uv\.lock|package-lock\.json|node_modules)(/|$)|\.min\.(js|css)$")


def tracked() -> list[str]:
    """Return the paths that git tracks or would track, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for path in listing.stdout.splitlines() if (ROOT / path).is_file()]


def faults() -> list[str]:
    """Return what is wrong, a line each."""
    found = []
    for path in tracked():
        top = path.partition("/")[0]
        if top not in TOP and not top.startswith("."):
            found.append(f"{path}: the top level is fixed; {top} is not part of it")
        if NEVER.search(path):
            found.append(f"{path}: does not belong in the repository")
        if path == Path(__file__).relative_to(ROOT).as_posix():
            continue
        text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        for name, pattern in FORBIDDEN.items():
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{path}:{line}: {name}: {match.group()}")
    return found


if __name__ == "__main__":
    wrong = faults()
    sys.exit("\n".join(wrong) if wrong else 0)
