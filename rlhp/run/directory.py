"""A run directory: the whole truth about a run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rlhp.renamed import present
from rlhp.run import checkpoint
from rlhp.run.control import Controls
from rlhp.run.lock import FAILED, LOCK
from rlhp.run.machine import describe
from rlhp.run.record import Progress, Table, TensorBoard, Tracker, read_upto
from rlhp.types import Array, Metrics, Stateful, Stopped, UserError

CONFIG, FINISHED = "config.yaml", "finished.json"
VERSIONS, ATTEMPTS = "versions.json", "attempts.jsonl"  # on what the run began; on what each attempt ran
PLAN = "plan.json"  # how many labels are wanted, first and in all
BEGUN = ("preferences.sqlite", "metrics.csv")
TABLES = ("metrics.csv", "clock.csv")
GROWING = ("total_steps", "labels")  # what `rlhp extend` may give more of
# what does not touch the numbers
THREADS = ("threads", "env.threads", "env.workers", "agent.threads", "reward_model.threads")
# how one looks at it, and keeps it
_TOLD = ("tracker", "checkpoint_every", "video", "page", "instructions", "film", "watched", "keyboard")
MAY_CHANGE = (*THREADS, *_TOLD, "env.clone", "data.path")
# settings that came later, each with the value that runs without it went by
ADDED = {
    "loop": {"_target_": "rlhp.train.preferences", "_partial_": True},
    "demos": None,
    "episodes": None,
    "expert": None,
    "demo_labels": 0,
    "watched": False,
    "feedback_delay": 6,
    "feedback": "comparison",
}


# and settings of parts, by what the parts are
ADDED_TO_PARTS = {"rlhp.teacher.Noisy": {"much": 1.0, "remember": 200}}


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of the run in this directory. Raises UserError where there is none, or where they cannot be read."""
    file = path / CONFIG
    if not file.is_file():
        raise UserError(f"{path} is not a run directory; name a folder that rlhp train has made, such as runs/main/...")
    try:
        before = yaml.safe_load(file.read_text("utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError):
        before = None
    if not isinstance(before, dict):
        raise UserError(f"{file} is damaged: it holds no settings; name another run directory, or train anew.")
    return _completed(present(before))


def _completed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those that came later."""
    return {**ADDED, **{key: _completed_part(value) for key, value in settings.items()}}


def _completed_part(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    added = ADDED_TO_PARTS.get(str(node.get("_target_")), {})
    return {**added, **{key: _completed_part(value) for key, value in node.items()}}


def differing(path: Path, config: Mapping[str, Any]) -> list[str]:
    """Dotted names of the settings in which the run in this directory differs, without those that do not touch the numbers."""
    differs = sorted(_differences(read_settings(path), _completed(config)))
    return [key for key in differs if not may_change(key)]


def may_change(key: str) -> bool:
    """Whether the setting of this dotted name does not touch the numbers, so that it may differ between attempts at a run."""
    return key in MAY_CHANGE or key.split(".")[0] in MAY_CHANGE


def shown(names: Sequence[str]) -> str:
    """The first six names, and how many more there are; copies of a setting that is named itself are left out."""
    names = [name for name in names if "." not in name or name.rpartition(".")[2] not in names]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def begun(path: Path) -> bool:
    """Whether a run in this directory has come as far as its first question or number."""
    return any((path / name).exists() for name in BEGUN)


def check_owner(path: Path, config: Mapping[str, Any]) -> None:
    """Raises UserError, naming the keys, if a run of other settings has begun in `path`."""
    differs = differing(path, config) if begun(path) else []
    if differs and {name.rpartition(".")[2] for name in differs} <= {*GROWING} and any(path.glob("finished-*.json")):
        now = " ".join(f"{key}={read_settings(path)[key]}" for key in GROWING)
        raise UserError(f"{path} was extended to {now}; repeat that run's command with these, or extend it again.")
    if differs:
        raise UserError(
            f"{path} holds a run with other settings ({shown(differs)}); give this one a name of its own with name=..., "
            "or repeat that run's settings to go on with it."
        )


def create(path: Path, config: Mapping[str, Any]) -> None:
    """Make `path` this configuration's run directory, unless a run has begun there already."""
    path.mkdir(parents=True, exist_ok=True)
    if not begun(path) or not (path / CONFIG).exists():
        checkpoint.write_whole(path / VERSIONS, json.dumps(describe(), indent=2) + "\n")
        checkpoint.write_whole(path / CONFIG, yaml.safe_dump(dict(config), sort_keys=False))


def discard(path: Path) -> None:
    """Remove the directory of a run that has not begun; anything else that lies there stays."""
    if not path.is_dir() or begun(path):
        return
    for name in (CONFIG, VERSIONS, ATTEMPTS, PLAN, FAILED, LOCK):
        (path / name).unlink(missing_ok=True)
    if not any(path.iterdir()):
        path.rmdir()


def note_attempt(path: Path, **facts: Any) -> None:
    """Add a line to the record of the processes that have worked on a run: when, on what, and `facts`."""
    with (path / ATTEMPTS).open("a") as file:
        file.write(json.dumps({**describe(), **facts}) + "\n")


def _differences(a: Any, b: Any, prefix: str = "") -> list[str]:
    """Dotted names of the leaves in which two nested mappings differ; `auto` leaves a value open, and differs from none."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = sorted({*a, *b}, key=str)
        return [d for k in keys for d in _differences(a.get(k), b.get(k), f"{prefix}.{k}" if prefix else str(k))]
    return [] if a == b or "auto" in (a, b) else [prefix]


def finished(path: Path) -> bool:
    """Whether the run in this directory has reached its last step."""
    return (path / FINISHED).exists()


class RunDirectory:
    """Logs, checkpoints and resumes one run.

    `parts` are what changes while training, by name. On the CPU a run resumed from here ends with the same metrics.csv as
    one that was never killed; times are kept apart, in clock.csv. `sync` brings what belongs to a checkpoint but is written
    elsewhere, such as the store, to the disk before the checkpoint counts.
    """

    def __init__(self, path: Path, parts: Mapping[str, Stateful], *, total_steps: int, checkpoint_every: int) -> None:
        if checkpoint_every < 1:
            raise UserError(f"checkpoint_every counts environment steps; set it to 1 or more, not {checkpoint_every}.")
        self.path, self._parts, self._total, self._every = path, parts, total_steps, checkpoint_every
        check_trainable(path)
        self._checkpoints = path / "checkpoints"
        self.resumed_from, self._restored = checkpoint.newest(self._checkpoints)
        self._last = self.resumed_from
        self._pending: Metrics = {}
        self._trackers: list[Tracker] = []
        self.warned: dict[str, str] = {}  # by topic
        self.sync: Callable[[], None] = lambda: None
        self.controls = Controls(path)

    def restore(self) -> None:
        """Bring the parts to where the last complete checkpoint left them; nothing to do if there is none."""
        for name, state in self._restored.items():
            self._parts[name].restore(state)
        self._restored = {}

    def open(self, *trackers: Tracker, labels: int = 0) -> None:
        """Start logging, after the parts are restored; `labels` are wanted by the end. A run that was paused stays so."""
        rows = read_upto(self.path / "clock.csv", self.resumed_from)
        self._wall = float(rows[-1]["wall_s"]) if rows else 0.0
        self._began = time.monotonic()
        self._metrics = Table(self.path / "metrics.csv", self.resumed_from)
        self._clock = Table(self.path / "clock.csv", self.resumed_from)
        board = TensorBoard(self.path / "tensorboard", self.resumed_from)
        self._progress = Progress(self.path.name, self._total, labels)
        self._trackers = [self._metrics, board, self._progress, *trackers]
        self.controls.begin(self.resumed_from)
        if self.resumed_from < self._total and self._held(self.resumed_from):
            raise Stopped

    def wants(self, labels: int) -> None:
        """From now on so many labels are wanted by the end."""
        self._progress.labels = labels

    def log(self, step: int, metrics: Metrics) -> None:
        """Add numbers to the row of this step."""
        self._pending.update(metrics)

    def say(self, text: str) -> None:
        """Say in the progress line what the training waits for."""
        self._progress.say(text)

    def warn(self, topic: str, text: str) -> None:
        """Say, once for each topic, what keeps the run from doing what was asked; an empty text takes it back."""
        if not text:
            self.warned.pop(topic, None)
            return
        if topic not in self.warned:
            self._progress.warn(text)
        self.warned[topic] = text

    def end_step(self, step: int) -> None:
        """The rollout that ended at `step` is done: write its row, and a checkpoint if one is due.

        Where people at the page have paused the training, this is where it waits. Raises Stopped if they have stopped it.
        """
        for tracker in self._trackers:
            tracker(step, self._pending)
        self._pending = {}
        wall = self.wall()
        self._clock(step, {"wall_s": wall, "steps_per_s": (step - self.resumed_from) / max(wall - self._wall, 1e-9)})
        over, asked = step >= self._total, self.controls.look(step)
        if step // self._every > self._last // self._every or over or asked.paused or asked.stop:
            self._save(step)
        if not over and (asked.stop or (asked.paused and self._held(step))):
            raise Stopped

    def _held(self, step: int) -> bool:
        """Wait as long as the training is paused, which is no time of its own; whether it is to stop then."""
        began = time.monotonic()
        stop = self.controls.hold(step, self.say).stop
        self._began += time.monotonic() - began
        return stop

    def stopped(self) -> int:
        """The training was asked to stop, and ends: close what listens. Returns the step from which it will go on."""
        self.controls.stopped(self._last)
        for tracker in self._trackers:
            tracker.close()
        return self._last

    def _save(self, step: int) -> None:
        """Write a checkpoint, after all that it rests on is on the disk."""
        parts = {name: part.snapshot() for name, part in self._parts.items()}
        self.sync()
        for name in (*TABLES, "."):
            checkpoint.sync(self.path / name)
        checkpoint.write(self._checkpoints, step, parts)
        self._last = step

    def wall(self) -> float:
        """Seconds of training so far, those before a kill counted up to the checkpoint."""
        return self._wall + time.monotonic() - self._began

    def finish(self, write_results: Callable[[Path], None], **results: Any) -> None:
        """Write what is made at the end, then the mark that the run is finished, which holds `results`."""
        for tracker in self._trackers:
            tracker.close()
        write_results(self.path)
        mark = {"total_steps": self._total, "wall_s": round(self.wall(), 1), **results}
        checkpoint.write_whole(self.path / FINISHED, json.dumps(mark) + "\n")


def last_checkpoint_step(path: Path) -> int:
    """The step of a run's newest complete checkpoint; 0 where it has none."""
    return max(checkpoint.complete(path / "checkpoints"), default=0)


def check_trainable(path: Path) -> None:
    """Raises UserError for a published run, whose checkpoint lacks what training needs."""
    if not checkpoint.trainable(path / "checkpoints", last_checkpoint_step(path)):
        raise UserError(
            f"{path} is a published run, which has no checkpoint to train on from; start a run of your own with its settings and "
            "name=..., or train on its reward with reward_model=frozen."
        )


def reopen(path: Path, config: Mapping[str, Any]) -> None:
    """Have a run go on beyond its end, under settings that say how far; wherever this is interrupted, it can be done again.

    What the run had come to stays: its last checkpoint, and the mark of its end as finished-STEPS.json.
    """
    total = int(read_settings(path)["total_steps"])
    if finished(path):
        checkpoint.mark_kept(path / "checkpoints", last_checkpoint_step(path))
        (path / FINISHED).replace(path / f"finished-{total}.json")
        checkpoint.sync(path)
    checkpoint.write_whole(path / CONFIG, yaml.safe_dump(dict(config), sort_keys=False))


def last_checkpoint(path: Path) -> dict[str, dict[str, Array]]:
    """The parts in a run directory's newest intact checkpoint. Raises UserError if it has none."""
    step, parts = checkpoint.newest(path / "checkpoints")
    if not step:
        raise UserError(f"{path} holds no checkpoint yet; train it first, or name another run directory.")
    return parts
