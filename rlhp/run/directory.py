"""A run directory: settings, logs and checkpoints of one run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rlhp.length import value
from rlhp.renamed import present
from rlhp.run import checkpoint
from rlhp.run.control import Controls
from rlhp.run.files import read_upto
from rlhp.run.lock import FAILED, LOCK
from rlhp.run.machine import describe
from rlhp.run.published import VERSIONS, check_trainable
from rlhp.run.record import Progress, Table, TensorBoard, Tracker
from rlhp.types import Array, Metrics, Stateful, Stopped, UserError

CONFIG, FINISHED = "config.yaml", "finished.json"
ATTEMPTS = "attempts.jsonl"  # versions and machine of each attempt
PLAN = "plan.json"  # how many labels are requested, initially and in total
BEGUN = ("preferences.sqlite", "metrics.csv")
TABLES = ("metrics.csv", "clock.csv")
GROWING = ("total_steps", "labels")  # settings that `rlhp extend` may increase
# settings that do not change results
THREADS = ("threads", "env.threads", "env.workers", "agent.threads", "reward_model.threads")
# settings of monitoring and storage
_MONITORING = ("tracker", "checkpoint_every", "video", "page", "instructions", "film", "watched", "keyboard")
MAY_CHANGE = (*THREADS, *_MONITORING, "env.clone", "data.path")
# settings added after the first version, each with the value that runs without it used
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


# settings added to components, by target
ADDED_TO_PARTS = {
    "rlhp.teacher.Noisy": {"much": 1.0, "remember": 200},
    "rlhp.agent.ppo": {"fast": True},
    "rlhp.agent.by_observation": {"fast": True},
}


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of the run in this directory. Raises UserError if there is no run, or the file is damaged."""
    file = path / CONFIG
    if not file.is_file():
        raise UserError(
            f"{path} is not a run directory: it has no {CONFIG}; give one that rlhp train created, such as runs/main/..."
        )
    try:
        stored = yaml.safe_load(file.read_text("utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError):
        stored = None
    if not isinstance(stored, dict):
        raise UserError(f"{file} is damaged: it contains no settings; give another run directory, or train again.")
    return _completed(present(stored))


def is_fit(path: Path, settings: Mapping[str, Any]) -> bool:
    """Whether the run with these settings is a fit of a reward model, which has no environment and no policy.

    Raises UserError if they are the settings of neither a fit nor a training.
    """
    missing = [key for key in ("task", "env", "agent") if key not in settings]
    if missing and "data" not in settings:
        raise UserError(f"{path / CONFIG} is damaged: it has no key {missing[0]!r}; restore it from a copy, or train again.")
    return bool(missing)


def _completed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Add the settings of later versions."""
    return {**ADDED, **{key: _completed_part(value) for key, value in settings.items()}}


def _completed_part(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    added = ADDED_TO_PARTS.get(str(node.get("_target_")), {})
    return {**added, **{key: _completed_part(value) for key, value in node.items()}}


def differing(path: Path, config: Mapping[str, Any]) -> list[str]:
    """The dotted names of the settings in which the run in this directory differs, except those that do not change results."""
    differs = sorted(_differences(read_settings(path), _completed(config)))
    return [key for key in differs if not may_change(key)]


def may_change(key: str) -> bool:
    """Whether attempts at a run may differ in the setting with this dotted name, because it does not change results."""
    return key in MAY_CHANGE or key.split(".")[0] in MAY_CHANGE


def shown(names: Sequence[str]) -> str:
    """The first six names and the number of further ones, without copies of a setting that is listed itself."""
    names = [name for name in names if "." not in name or name.rpartition(".")[2] not in names]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def begun(path: Path) -> bool:
    """Whether a run in this directory has started, that is, has its first query or metrics."""
    return any((path / name).exists() for name in BEGUN)


def check_owner(path: Path, config: Mapping[str, Any]) -> None:
    """Raise UserError, with the keys that differ, if a run with other settings has started in `path`."""
    differs = differing(path, config) if begun(path) else []
    if differs and {name.rpartition(".")[2] for name in differs} <= {*GROWING} and any(path.glob("finished-*.json")):
        now = " ".join(f"{key}={read_settings(path)[key]}" for key in GROWING)
        raise UserError(f"{path} was extended to {now}; repeat that run's command with these values, or extend it again.")
    if differs:
        raise UserError(
            f"{path} holds a run with other settings ({shown(differs)}); set another name with name=..., or repeat that run's "
            "settings to continue it."
        )


def create(path: Path, config: Mapping[str, Any]) -> None:
    """Create the run directory of this configuration, unless a run has started there."""
    path.mkdir(parents=True, exist_ok=True)
    if not begun(path) or not (path / CONFIG).exists():
        checkpoint.write_whole(path / VERSIONS, json.dumps(describe(), indent=2) + "\n")
        checkpoint.write_whole(path / CONFIG, yaml.safe_dump(dict(config), sort_keys=False))


def discard(path: Path) -> None:
    """Remove the directory of a run that has not started; other files in it are kept."""
    if not path.is_dir() or begun(path):
        return
    for name in (CONFIG, VERSIONS, ATTEMPTS, PLAN, FAILED, LOCK):
        (path / name).unlink(missing_ok=True)
    if not any(path.iterdir()):
        path.rmdir()


def note_attempt(path: Path, **facts: Any) -> None:
    """Append a line to the list of processes that have worked on a run: date, versions, machine, and `facts`."""
    with (path / ATTEMPTS).open("a") as file:
        file.write(json.dumps({**describe(), **facts}) + "\n")


def _differences(a: Any, b: Any, prefix: str = "") -> list[str]:
    """The dotted names of the leaves in which two nested mappings differ; `auto` matches any value, and rules count by theirs."""
    a, b = value(a), value(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = sorted({*a, *b}, key=str)
        return [d for k in keys for d in _differences(a.get(k), b.get(k), f"{prefix}.{k}" if prefix else str(k))]
    return [] if a == b or "auto" in (a, b) else [prefix]


def finished(path: Path) -> bool:
    """Whether the run in this directory has reached its last step."""
    return (path / FINISHED).exists()


class RunDirectory:
    """Logs, checkpoints and resumes one run.

    `parts` are the components that training changes, by name. On the CPU, a run resumed from here ends with the same metrics.csv
    as one that was never killed; times are separate, in clock.csv. Before a checkpoint is marked complete, `sync` flushes what
    belongs to it but is written elsewhere, such as the store.
    """

    def __init__(self, path: Path, parts: Mapping[str, Stateful], *, total_steps: int, checkpoint_every: int) -> None:
        if checkpoint_every < 1:
            raise UserError(f"checkpoint_every counts environment steps; set it to at least 1, not {checkpoint_every}.")
        self.path, self._parts, self._total, self._every = path, parts, total_steps, checkpoint_every
        check_trainable(path)
        self._checkpoints = path / "checkpoints"
        self.resumed_from, self._restored = checkpoint.newest(self._checkpoints)
        self._last = self.resumed_from
        self._pending: Metrics = {}
        self._trackers: list[Tracker] = []
        self.warned: dict[str, str] = {}  # texts by topic
        self.sync: Callable[[], None] = lambda: None
        self.controls = Controls(path)

    def restore(self) -> None:
        """Restore the parts from the newest checkpoint, if there is one."""
        for name, state in self._restored.items():
            self._parts[name].restore(state)
        self._restored = {}

    def open(self, *trackers: Tracker, labels: int = 0) -> None:
        """Start logging, after the parts are restored; `labels` is the number requested by the end. A paused run stays paused."""
        rows = read_upto(self.path / "clock.csv", self.resumed_from)
        self._wall = float(rows[-1]["wall_s"]) if rows else 0.0
        self._start_time = time.monotonic()
        self._metrics = Table(self.path / "metrics.csv", self.resumed_from)
        self._clock = Table(self.path / "clock.csv", self.resumed_from)
        board = TensorBoard(self.path / "tensorboard", self.resumed_from)
        self._progress = Progress(self.path.name, self._total, labels)
        self._trackers = [self._metrics, board, self._progress, *trackers]
        self.controls.start(self.resumed_from)
        if self.resumed_from < self._total and self._wait_while_paused(self.resumed_from):
            raise Stopped

    def set_labels(self, labels: int) -> None:
        """Set the number of labels requested by the end."""
        self._progress.labels = labels

    def log(self, step: int, metrics: Metrics) -> None:
        """Add metrics to the row of this step."""
        self._pending.update(metrics)

    def say(self, text: str) -> None:
        """Show in the progress line what the training waits for."""
        self._progress.say(text)

    def warn(self, topic: str, text: str) -> None:
        """Warn, once per topic, about what keeps the run from doing what its settings ask; an empty text clears the warning."""
        if not text:
            self.warned.pop(topic, None)
            return
        if topic not in self.warned:
            self._progress.warn(text)
        self.warned[topic] = text

    def end_step(self, step: int) -> None:
        """End the round of the rollout that ended at `step`: write its row, and a checkpoint if one is due.

        If people at the page have paused the training, it waits here. Raises Stopped if they have stopped it.
        """
        for tracker in self._trackers:
            tracker(step, self._pending)
        self._pending = {}
        wall = self.wall()
        self._clock(step, {"wall_s": wall, "steps_per_s": (step - self.resumed_from) / max(wall - self._wall, 1e-9)})
        over, asked = step >= self._total, self.controls.poll(step)
        if step // self._every > self._last // self._every or over or asked.paused or asked.stop:
            self._save(step)
        if not over and (asked.stop or (asked.paused and self._wait_while_paused(step))):
            raise Stopped

    def _wait_while_paused(self, step: int) -> bool:
        """Wait while the training is paused, without counting the time as training; returns whether it is to stop."""
        start_time = time.monotonic()
        stop = self.controls.wait_while_paused(step, self.say).stop
        self._start_time += time.monotonic() - start_time
        return stop

    def stopped(self) -> int:
        """End a training that was asked to stop: close the trackers. Returns the step from which it will continue."""
        self.controls.stopped(self._last)
        for tracker in self._trackers:
            tracker.close()
        return self._last

    def _save(self, step: int) -> None:
        """Write a checkpoint after everything that it depends on is flushed to the disk."""
        parts = {name: part.snapshot() for name, part in self._parts.items()}
        self.sync()
        for name in (*TABLES, "."):
            checkpoint.sync(self.path / name)
        checkpoint.write(self._checkpoints, step, parts)
        self._last = step

    def wall(self) -> float:
        """Seconds of training so far; of killed attempts, those up to the last checkpoint."""
        return self._wall + time.monotonic() - self._start_time

    def finish(self, write_results: Callable[[Path], None], **results: Any) -> None:
        """Write the results, then the marker that the run is finished, which holds `results`."""
        for tracker in self._trackers:
            tracker.close()
        write_results(self.path)
        marker = {"total_steps": self._total, "wall_s": round(self.wall(), 1), **results}
        checkpoint.write_whole(self.path / FINISHED, json.dumps(marker) + "\n")


def last_checkpoint_step(path: Path) -> int:
    """The step of a run's newest complete checkpoint; 0 if there is none."""
    return max(checkpoint.complete(path / "checkpoints"), default=0)


def reopen(path: Path, config: Mapping[str, Any]) -> None:
    """Prepare a finished run to continue, under settings with a later end. An interrupted call can be repeated.

    Earlier results are kept: the last checkpoint, and the marker of the end as finished-STEPS.json.
    """
    total = int(read_settings(path)["total_steps"])
    if finished(path):
        checkpoint.mark_kept(path / "checkpoints", last_checkpoint_step(path))
        (path / FINISHED).replace(path / f"finished-{total}.json")
        checkpoint.sync(path)
    checkpoint.write_whole(path / CONFIG, yaml.safe_dump(dict(config), sort_keys=False))


def last_checkpoint(path: Path) -> dict[str, dict[str, Array]]:
    """The parts of a run directory's newest intact checkpoint. Raises UserError if there is none."""
    step, parts = checkpoint.newest(path / "checkpoints")
    if not step:
        raise UserError(f"{path} holds no checkpoint yet; train it first, or give another run directory.")
    return parts
