"""Disks that really are full, or cannot be written. Where no file system may be mounted, a limit of the kernel's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small(folder: Path, size: str) -> Iterator[Path | None]:
    """A file system of `size` over `folder`, or None where none may be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted(folder, f"size={size}") as done:
        yield folder if done else None


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """A folder on a file system that is mounted read-only, or one of the kernel's own that takes no files."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted(folder, "ro") as done:
        yield folder if done else Path("/proc/trackside")


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[bool]:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
