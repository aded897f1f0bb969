"""Runs to label, a server of their page in a process of its own, and people who answer over HTTP."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import yaml

from rlhp import film
from rlhp.run import Served, served
from rlhp.store import Store
from rlhp.types import Segment
from rlhp.web.clip_cache import RenderSettings
from rlhp.web.clip_renderer import ClipRenderer

LENGTH = 10
SETTINGS = {
    "task": "point",
    "condition": "preferences",
    "labels": 40,
    "seed": 1,
    "total_steps": 1000,
    "max_pending": 20,
    "page": None,
}


def walk(rng: np.random.Generator) -> Segment:
    """A clip of the probe: a point that goes its way."""
    start, toward = rng.uniform(-1, 1, 2), rng.uniform(-1, 1, 2)
    obs = (start + np.outer(np.arange(LENGTH) * 0.1, toward)).astype(np.float32)
    return Segment(obs, np.tile(toward, (LENGTH, 1)).astype(np.float32), -np.linalg.norm(obs, axis=1), None)


def make_run(path: Path, questions: int, clips: int = 2, **settings: Any) -> Path:
    """A run directory, stopped, with so many open questions about the probe, of the kind in `settings`."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text(yaml.safe_dump({**SETTINGS, "instructions": "The nearer, the better.", **settings}))
    (path / "plan.json").write_text('{"first_labels": 10, "labels": 40}\n')
    ask(path, questions, clips=clips, kind=settings.get("feedback", "comparison"))
    return path


def ask(run: Path, questions: int, seed: int = 0, step: int = 0, clips: int = 2, kind: str = "comparison") -> None:
    rng, store = np.random.default_rng(seed), Store(run / "preferences.sqlite", kind=kind)
    store.ask([tuple(walk(rng) for _ in range(clips)) for _ in range(questions)], step)
    store.close()


def filmed(run: Path, size: int = 64, codec: str = "h264") -> Path:
    """The run, with the clips of all open questions."""
    filmer = ClipRenderer(run, RenderSettings("point", size, codec), overlap=1, ahead=10**6)
    with film.Point().clip_renderer(size) as shoot:
        while (name := filmer.next()) is not None:
            filmer.film(shoot, film.Point.fps, name)
    return run


def until(what: Any, seconds: float = 60.0) -> Any:
    """The first true value of `what()`."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return value


def start(run: Path, *options: str, log: Path | None = None) -> subprocess.Popen[bytes]:
    """`rlhp annotate RUN`, in a process of its own."""
    command = [sys.executable, "-m", "rlhp.cli", "annotate", str(run), "--size", "64", "--minimum-view", "0", *options]
    with (log or run / "label.log").open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file)


@contextmanager
def held_port() -> Iterator[int]:
    """A port that the system gives to nobody meanwhile, and at which a server that names it can listen, again and again."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def label(run: Path, *options: str) -> Iterator[Served]:
    """The page of a run, served meanwhile on a port of its own."""
    process = start(run, *(() if "--port" in options else ("--port", "0")), *options)
    try:
        yield until(lambda: served(run) or _alive(process))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _alive(process: subprocess.Popen[bytes]) -> None:
    assert process.poll() is None, "the server has ended"


class Person:
    """Somebody at the page."""

    def __init__(self, page: Served, name: str) -> None:
        self.name = name
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{page.port}", headers={"authorization": f"Bearer {page.token}"}, timeout=30
        )

    def __del__(self) -> None:
        self.client.close()

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.post(f"/api/{path}", json={"annotator": self.name, **body})
        answer.raise_for_status()
        return answer.json()

    def pairs(self, count: int = 3) -> list[dict[str, Any]]:
        return self.post("next", count=count)["questions"]

    def say(self, pair: dict[str, Any], value: Any = "left", seen: float = 2.0, **more: Any) -> dict[str, Any]:
        return self.post("answer", **pair, value=value, seen=seen, **more)

    def state(self) -> dict[str, Any]:
        return self.client.get("/api/state", params={"annotator": self.name}).raise_for_status().json()
