"""Teach HalfCheetah to run right, or left, through the real page, with a scripted annotator that sees only pixels.

    python experiments/page/teach.py right left              # two runs in runs/page/, rows in taught.csv
    python experiments/page/teach.py right --kills 20        # the same, with page, trainer or both killed repeatedly

Chromium plays the clips. In each frame the annotator reads one line of the floor near the camera, which follows the robot, and
determines how far the line has moved since the previous frame. It prefers the clip in which the robot has moved further.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from rlhp.csv_records import read_records, write_records
from rlhp.run import load, served
from rlhp.store import labels, segments
from rlhp.types import Array

HERE = Path(__file__).parent
KEYS = {-1: "ArrowRight", 0: "ArrowDown", 1: "ArrowLeft"}  # by the better clip: the right one, neither, the left one
RANKS = {-1: (1, 0), 0: (0, 0), 1: (0, 1)}
LINE = 0.93  # fraction of the picture's height: floor between camera and robot, always visible
FURTHEST = 0.24  # largest shift of the floor between two frames, in picture widths: below half the distance of its marks
CLOSE, CLOSER = 0.03, 0.03  # clips tie if they differ by less than this, in picture widths and as a fraction of the distance
WHERE = "document.body.dataset.phase === 'showing' ? document.body.dataset.pair : null"
READ = """
async ({ line }) => {
  const films = [...document.querySelectorAll(".stage:not([hidden]) video")].map((video) => video.currentSrc);
  return Promise.all(films.map(async (source) => {
    const video = document.createElement("video"), canvas = document.createElement("canvas");
    video.muted = true;
    video.src = source;
    await new Promise((resolve, reject) => { video.onloadeddata = resolve; video.onerror = reject; });
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const picture = canvas.getContext("2d", { willReadFrequently: true });
    const lines = [];
    for (let time = 0; time < video.duration - 1e-3; time += FRAME) {
      video.currentTime = time + FRAME / 2;
      await new Promise((resolve) => { video.onseeked = resolve; });
      picture.drawImage(video, 0, 0);
      const { data } = picture.getImageData(0, Math.round(line * canvas.height), canvas.width, 1);
      lines.push(Array.from({ length: canvas.width }, (_, x) => data[4 * x] + data[4 * x + 1] + data[4 * x + 2]));
    }
    return lines;
  }));
}
"""
FPS = 20  # of HalfCheetah's clips
SIZE = 240  # of the clips in pixels: half of a person's, because reading every frame is slow in the browser


def moved(lines: Array) -> float:
    """Compute how far a robot has moved to the right, in picture widths, from lines of floor [frames, width] of a camera with it.

    The shift between two frames is the whole number of pixels that minimises their difference; the smallest of equal ones.
    """
    width = lines.shape[1]
    reach = sorted(range(-int(FURTHEST * width), int(FURTHEST * width) + 1), key=abs)
    return sum(-_shift(before, after, reach) for before, after in pairwise(lines)) / width


def _shift(before: Array, after: Array, reach: list[int]) -> int:
    """Return by how many pixels, among `reach`, a line has moved to the right."""
    return min(reach, key=lambda shift: _difference(before, after, shift))


def _difference(before: Array, after: Array, shift: int) -> float:
    kept = len(before) - abs(shift)
    old, new = (before[:kept], after[shift:]) if shift >= 0 else (before[-shift:], after[:kept])
    return float(np.abs(old - new).mean())


def better(left: float, right: float, toward: int) -> int:
    """Return 1 if the left clip goes further `toward` (1: right, -1: left), -1 if the right one does, 0 if they are close."""
    lead = toward * (left - right)
    return 0 if abs(lead) < CLOSE + CLOSER * max(abs(left), abs(right)) else int(np.sign(lead))


@dataclass(frozen=True)
class Taught:
    """Results of a session."""

    direction: str
    answers: int
    used: int  # used by the reward model
    lost: int  # given, but not in the store
    altered: int  # in the store, but not as they were given
    wrong: int  # prefer the clip in which the robot went less far, by the simulator's states
    equal: int
    kills: int
    minutes: float
    true_return: float  # forward reward; mean of 10 episodes of the final policy
    correlation: float  # of r-hat with the forward reward, times -1 if the goal is left


class Session:
    """One run: its training process, and a browser on its page."""

    def __init__(self, run: Path, labels: int, steps: int, seed: int, browser: BrowserContext) -> None:
        self.run, self.kills = run, 0
        self._command = [
            *(
                sys.executable,
                "-m",
                "rlhp.cli",
                "train",
                "env=halfcheetah",
                "teacher=human",
                "max_pending=20",
                f"labels={labels}",
            ),
            *(f"total_steps={steps}", f"seed={seed}", f"hydra.run.dir={run}", "page.repeats=0", "page.port=0"),
            f"page.size={SIZE}",
        ]
        run.mkdir(parents=True, exist_ok=True)
        self._log = (run / "teach.log").open("ab")
        self._trainer = self._start()
        until(lambda: served(run))
        self.tab: Page = browser.new_page()
        self.tab.goto(_address(run))

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL)

    def over(self) -> bool:
        """Return whether the training has ended. Raises RuntimeError if it failed."""
        status = self._trainer.poll()
        if status not in (None, 0):
            raise RuntimeError(f"the training ended with {status}; see {self.run / 'teach.log'}")
        return status == 0

    def kill(self, what: str) -> None:
        """Kill the page, the trainer or both with SIGKILL, then run the trainer's command again."""
        there = served(self.run)
        if what in ("page", "both") and there is not None:
            os.kill(there.pid, signal.SIGKILL)
        if what in ("trainer", "both"):
            self._trainer.kill()
            self._trainer.wait()
            self._trainer = self._start()
        self.kills += 1

    def close(self) -> None:
        """Stop everything that is running."""
        self.tab.close()
        if self._trainer.poll() is None:
            self._trainer.terminate()
        self._trainer.wait()
        if there := served(self.run):  # it keeps running while a tab is open
            os.kill(there.pid, signal.SIGTERM)
        self._log.close()


def _address(run: Path) -> str:
    there = served(run)
    assert there is not None
    return there.address("scripted")


def until(what: Callable[[], object], seconds: float = 120.0) -> object:
    """Wait for the first true value of `what()` and return it. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not (value := what()):
        if time.monotonic() > end:
            raise TimeoutError("the page did not start in time")
        time.sleep(0.05)
    return value


def teach(session: Session, toward: int, kill_every: float) -> dict[int, int]:
    """Answer until the training has ended; return the given answer by query."""
    said: dict[int, int] = {}
    rng = random.Random(0)
    while not session.over():
        pair = _shown(session.tab)
        if pair is None:
            time.sleep(0.05)
            continue
        left, right = (moved(np.array(lines, np.float64)) for lines in session.tab.evaluate(_reading(), {"line": LINE}))
        verdict = better(left, right, toward)
        session.tab.keyboard.press(KEYS[verdict])
        said[int(pair.split("/")[0])] = verdict
        _next(session, pair)
        if kill_every and len(said) >= kill_every * (session.kills + 1):
            session.kill(rng.choice(["page", "trainer", "both"]))
    return said


def _reading() -> str:
    return READ.replace("FRAME", repr(1 / FPS))


def _shown(tab: Page) -> str | None:
    try:
        return tab.evaluate(WHERE)
    except Error:  # the page is loading
        return None


def _next(session: Session, pair: str) -> None:
    """Wait until the page shows something else; an answer may wait for the minimum viewing time."""
    end = time.monotonic() + 60
    while not session.over() and _shown(session.tab) == pair and time.monotonic() < end:
        time.sleep(0.02)


def went(run: Path) -> dict[str, float]:
    """Return by clip how far the robot really moved to the right, in metres: the first number of its states."""
    store = run / "preferences.sqlite"
    names = {name for label in labels(store) for name in label.clips}
    return {name: float(clip.state[-1, 0] - clip.state[0, 0]) for name, clip in segments(store, names)}  # type: ignore[index]


def report(session: Session, direction: str, said: dict[int, int], minutes: float) -> Taught:
    """Collect the results of a finished session from the store, the metrics and ten episodes."""
    run, toward = session.run, 1 if direction == "right" else -1
    answers, distance = labels(run / "preferences.sqlite"), went(run)
    decided = [label for label in answers if label.ranks and label.ranks[0] != label.ranks[1]]
    wrong = sum(
        toward * (distance[label.clips[int(np.argmin(label.ranks))]] - distance[label.clips[int(np.argmax(label.ranks))]]) < 0
        for label in decided
        if label.ranks
    )
    altered = sum(
        label.ranks != RANKS[said[label.query] * (-1 if label.swapped else 1)] for label in answers if label.query in said
    )
    correlations = load(run).metrics["reward_corr"][-20:]
    correlation = toward * float(np.nanmean(correlations))
    return Taught(
        direction,
        len(answers),
        sum(label.taken_step is not None for label in answers),
        len(set(said) - {label.query for label in answers}),
        altered,
        wrong,
        len(answers) - len(decided),
        session.kills,
        round(minutes, 1),
        _evaluated(run),
        round(correlation, 3),
    )


def _evaluated(run: Path) -> float:
    command = [sys.executable, "-m", "rlhp.cli", "evaluate", str(run), "--episodes", "10"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(said.split("mean ")[1].split(",")[0])


def main() -> None:
    """Teach in each direction in turn, and add a row for each to taught.csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directions", nargs="+", choices=["right", "left"])
    parser.add_argument("--labels", type=int, default=230)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=0, help="number of times that page, trainer or both are killed")
    parser.add_argument("--runs", type=Path, default=Path("runs/page"))
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    for direction in options.directions:
        run = options.runs.resolve() / f"{direction}-{options.seed}{'-killed' if options.kills else ''}"
        with sync_playwright() as driver:
            browser = driver.chromium.launch_persistent_context(
                run / "profile", executable_path=chromium, args=["--no-sandbox", "--disable-gpu"], headless=True
            )
            session, began = Session(run, options.labels, options.steps, options.seed, browser), time.monotonic()
            try:
                said = teach(session, 1 if direction == "right" else -1, options.labels / options.kills if options.kills else 0)
                taught = report(session, direction, said, (time.monotonic() - began) / 60)
            finally:
                session.close()
                browser.close()
        print(json.dumps(asdict(taught)))
        _add(HERE / "taught.csv", taught)


def _add(file: Path, taught: Taught) -> None:
    write_records(Taught, file, [*(read_records(Taught, file) if file.exists() else []), taught])


if __name__ == "__main__":
    main()
