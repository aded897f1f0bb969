"""Trackers of a run's metrics: a CSV file, TensorBoard, the progress line, and other services."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import Protocol, TextIO

from rlhp.atomic import replacing
from rlhp.durations import duration
from rlhp.run.files import read_table, read_upto
from rlhp.types import Metrics, UserError, escaped


class Tracker(Protocol):
    """Receives the metrics of each rollout."""

    def __call__(self, step: int, metrics: Metrics) -> None:
        """Log the metrics of the rollout that ended at `step`."""
        ...

    def close(self) -> None:
        """Called at the end of the run."""
        ...


class Table:
    """A CSV file with a column per metric, after the step; a new metric adds a column."""

    def __init__(self, path: Path, upto: int) -> None:
        """Keep the complete rows of an existing file up to step `upto`, that of a checkpoint; 0 keeps none."""
        self._path = path
        rows = read_upto(path, upto)
        self._columns = list(rows[0]) if rows else ["step"]
        self._rewrite(rows)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        with replacing(self._path) as draft, draft.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def __call__(self, step: int, metrics: Metrics) -> None:
        """Append a row and write it to the file."""
        row = {"step": str(step), **{k: f"{v:.10g}" for k, v in metrics.items()}}
        new = [column for column in row if column not in self._columns]
        if new:  # rare; a long run has too many rows to keep in memory
            self._columns += new
            self._rewrite([*read_table(self._path), row])
            return
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns, restval="", lineterminator="\n").writerow(row)

    def close(self) -> None:
        """Nothing to close."""


class TensorBoard:
    """Logs the metrics for TensorBoard; hides earlier rows after the step from which a run resumes, or all of them for step 0."""

    def __init__(self, folder: Path, resumed_from: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        self._writer = SummaryWriter(str(folder), purge_step=resumed_from + 1 if resumed_from else 0)

    def __call__(self, step: int, metrics: Metrics) -> None:
        """Write one point per metric."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()


class Progress:
    """The progress line: steps, steps/s, labels used and requested, the reward model's accuracy, the true return, the time left.

    On a terminal the line is updated in place; in a log file a new line is written every `every` seconds.
    """

    def __init__(self, name: str, total_steps: int, labels: int = 0, every: float = 30.0, out: TextIO | None = None) -> None:
        self._name, self._total, self.labels, self._out = escaped(name), total_steps, labels, out or sys.stderr
        self._live = self._out.isatty()
        self._clear = "\r\x1b[K" if self._live else ""
        self._every = 0.5 if self._live else every
        self._start_time = self._last = time.monotonic()
        self._first: int | None = None
        self._seen: Metrics = {}
        self._waiting = False

    def __call__(self, step: int, metrics: Metrics) -> None:
        """Update the line if it is due."""
        self._seen.update(metrics)
        self._first = step if self._first is None else self._first
        now, over = time.monotonic(), step >= self._total
        if now - self._last >= self._every or over:
            self._last = now
            self._show(self._line(step, now - self._start_time), over)
        self._waiting = False

    def say(self, text: str) -> None:
        """Show what the training waits for: at once, then at the interval of the line."""
        now = time.monotonic()
        if not self._waiting or now - self._last >= self._every or self._live:
            self._last, self._waiting = now, True
            self._show(f"{self._name}  {text}")

    def warn(self, text: str) -> None:
        """Print a line that later updates do not overwrite."""
        self._out.write(f"{self._clear}{self._name}  {text}\n")
        self._out.flush()

    def _show(self, line: str, over: bool = False) -> None:
        end = "\n" if not self._live or over else ""
        self._out.write(f"{self._clear}{line}{end}")
        self._out.flush()

    def _line(self, step: int, elapsed: float) -> str:
        speed = (step - (self._first or 0)) / max(elapsed, 1e-9)
        seen = self._seen
        accuracy = f"accuracy {seen['valid_accuracy']:.2f}" if "valid_accuracy" in seen else ""
        true_return = f"true return {seen['true_return']:,.1f}" if "true_return" in seen else ""
        parts = [
            f"{step:,}/{self._total:,} steps",
            f"{speed:,.0f} steps/s",
            f"{seen.get('labels', 0):.0f} of {self.labels} labels" if self.labels else "",
            accuracy,
            true_return,
            f"{duration(max(self._total - step, 0) / speed)} left" if speed > 0 else "",
        ]
        return f"{self._name}  " + "  ".join(part for part in parts if part)

    def close(self) -> None:
        """Nothing to close."""


class NoTracker:
    """No further tracker."""

    def __call__(self, step: int, metrics: Metrics) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class Wandb:
    """Logs to Weights & Biases, an extra: `pip install 'rlhp[wandb]'`."""

    def __init__(self, **settings: object) -> None:
        """`settings` are passed to wandb.init: project, mode, dir, ..."""
        try:
            import wandb  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise UserError("tracker=wandb needs the package wandb; install it with: pip install 'rlhp[wandb]'") from error
        self._run = wandb.init(**settings)

    def __call__(self, step: int, metrics: Metrics) -> None:
        """Send the metrics of one rollout."""
        self._run.log(metrics, step=step)

    def close(self) -> None:
        """Finish the run at the service."""
        self._run.finish()
