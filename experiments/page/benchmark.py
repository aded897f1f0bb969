"""How long the page's server takes for an answer and the next pair, while several people answer at once.

    python experiments/page/benchmark.py [--people 4] [--pace 20] [--seconds 10]

Each person answers `pace` pairs a second, without looking. The server runs as `rlhp annotate` does, in a process of its own; the
clips are those of the point environment, filmed before. Prints one row of the table in README.md.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import httpx2 as httpx
import numpy as np
import yaml

from rlhp.film import Point
from rlhp.run import Served, served
from rlhp.store import Store
from rlhp.types import Segment
from rlhp.web.clip_cache import RenderSettings
from rlhp.web.clip_renderer import ClipRenderer

LENGTH, CLIPS, SIZE = 10, 120, 64  # steps of a clip; clips, each in many pairs; pixels
PATIENCE = 60.0  # seconds for the server to come up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--pace", type=float, default=20.0, help="answers a second of each person")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    each = int(given.pace * given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "run", given.people * each + 10 * given.people)
        with label(run) as page, ThreadPoolExecutor(given.people) as pool:
            began = time.monotonic()
            futures = [pool.submit(answer, page, f"annotator-{n}", each, given.pace) for n in range(given.people)]
            times = np.sort(np.concatenate([future.result() for future in futures]))
            took = time.monotonic() - began
    p50, p95 = np.percentile(times, [50, 95])
    print("| people | answers a second, each | answers | seconds | p50 ms | p95 ms | longest ms |")
    print(f"| {given.people} | {given.pace:g} | {len(times):,} | {took:.1f} | {p50:.1f} | {p95:.1f} | {times[-1]:.1f} |")


def make_run(run: Path, questions: int) -> Path:
    """A run directory, stopped, with so many open questions whose clips are filmed."""
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump({"task": "point", "labels": questions, "max_pending": None}))
    rng, store = np.random.default_rng(0), Store(run / "preferences.sqlite")
    clips = [walk(rng) for _ in range(CLIPS)]
    store.ask(list(combinations(clips, 2))[:questions], 0)
    assert store.asked == questions, "ask for fewer answers: that is more than there are pairs"
    store.close()
    filmer = ClipRenderer(run, RenderSettings("point", SIZE, "h264"), overlap=1, ahead=questions)
    drawing = Point()
    with drawing.clip_renderer(SIZE) as shoot:
        while (name := filmer.next()) is not None:
            filmer.film(shoot, drawing.fps, name)
    filmer.close()
    return run


def walk(rng: np.random.Generator) -> Segment:
    """A clip of a point that moves straight on."""
    start, toward = rng.uniform(-1, 1, 2), rng.uniform(-1, 1, 2)
    obs = (start + np.outer(np.arange(LENGTH) * 0.1, toward)).astype(np.float32)
    return Segment(obs, np.tile(toward, (LENGTH, 1)).astype(np.float32), -np.linalg.norm(obs, axis=1), None)


@contextmanager
def label(run: Path) -> Iterator[Served]:
    """`rlhp annotate`, meanwhile."""
    options = ["--size", str(SIZE), "--minimum-view", "0", "--port", "0", "--repeats", "0"]
    with (run / "label.log").open("wb") as log:
        command = [sys.executable, "-m", "rlhp.cli", "annotate", str(run), *options]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        end = time.monotonic() + PATIENCE
        while (page := served(run)) is None:
            assert process.poll() is None and time.monotonic() < end, (run / "label.log").read_text()
            time.sleep(0.05)
        yield page
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def answer(page: Served, name: str, count: int, pace: float) -> list[float]:
    """So many answers at this pace; what the server took for each of them and the next pairs, in ms."""
    headers, times = {"authorization": f"Bearer {page.token}"}, []
    with httpx.Client(base_url=f"http://127.0.0.1:{page.port}/api/", headers=headers, timeout=30) as client:
        pairs = client.post("next", json={"annotator": name}).raise_for_status().json()["questions"]
        began = time.monotonic()
        for i in range(count):
            time.sleep(max(0.0, began + i / pace - time.monotonic()))
            said = {"annotator": name, **pairs[0], "value": "left", "seen": 1.0}
            reply = client.post("answer", json=said).raise_for_status()
            pairs = reply.json()["questions"]
            times.append(float(reply.headers["server-timing"].rpartition("=")[2]))
    return times


if __name__ == "__main__":
    main()
