"""A closed-loop HTTP load on loopback: each client keeps one connection and one request in flight."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """What a load saw: `seconds` of wall time, one latency (s) a request, and the statuses that were not 200."""

    seconds: float
    latencies: tuple[float, ...]
    refused: tuple[int, ...]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the latency (s) that `share` of the requests stayed under."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(url: str, body_of: Callable[[int, int], tuple[str, bytes]], *, clients: int, requests: int) -> Load:
    """Send `requests` POSTs from each of `clients` connections; `body_of(client, number)` gives path and JSON body."""
    return asyncio.run(_run(url, body_of, clients, requests))


async def _run(url: str, body_of: Callable[[int, int], tuple[str, bytes]], clients: int, requests: int) -> Load:
    parts = urlsplit(url)
    started = time.perf_counter()
    results = await asyncio.gather(
        *(_client(str(parts.hostname), int(parts.port or 80), body_of, client, requests) for client in range(clients))
    )
    seconds = time.perf_counter() - started
    latencies = tuple(latency for result in results for latency, _ in result)
    return Load(seconds, latencies, tuple(status for result in results for _, status in result if status != 200))


async def _client(
    host: str, port: int, body_of: Callable[[int, int], tuple[str, bytes]], client: int, requests: int
) -> list[tuple[float, int]]:
    reader, writer = await asyncio.open_connection(host, port)
    seen = []
    for number in range(requests):
        path, body = body_of(client, number)
        head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        started = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer.split(b" ", 2)[1])
        length = next(
            int(line.partition(b":")[2])
            for line in answer.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        await reader.readexactly(length)
        seen.append((time.perf_counter() - started, status))
    writer.close()
    await writer.wait_closed()
    return seen
