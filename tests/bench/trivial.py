"""The yardstick: the same route on FastAPI and pydantic, which stores nothing and answers at once."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class _Record(BaseModel):
    epoch: float
    metrics: dict[str, float]


class _Post(BaseModel):
    records: list[_Record]


@app.post("/v1/runs/{run_id}/records")
async def record(run_id: str, post: _Post) -> dict[str, int]:
    """Count the records."""
    return {"accepted": len(post.records)}


def main(port: int) -> None:
    """Serve on loopback at `port`."""
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", loop="uvloop", http="httptools")


if __name__ == "__main__":
    import sys

    main(int(sys.argv[1]))
