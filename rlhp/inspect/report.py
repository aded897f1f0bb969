"""`rlhp inspect RUN`: measure an r-hat, write the report, and return the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlhp.atomic import replacing
from rlhp.inspect import films, truth
from rlhp.inspect.checks import Check, Outcome
from rlhp.inspect.findings import Subject, examine, measure
from rlhp.inspect.page import page
from rlhp.types import Segment, UserError

REPORT = "inspect.html"
SIZE = 240  # pixels of a video


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict, the checks, and the path of the report."""

    path: Path
    verdict: Outcome
    checks: tuple[Check, ...]

    def text(self) -> str:
        """Format one line per check, the verdict, and the path of the report."""
        width = max(len(check.title) for check in self.checks)
        rows = [f"{check.outcome:<9}  {check.title:<{width}}  {check.says}" for check in self.checks]
        return "\n".join([*rows, "", f"verdict: {self.verdict}", str(self.path)])


def inspect(run: Path, out: Path | None = None, *, blind: bool = False, codec: str = "h264", seed: int = 10_000) -> Report:
    """Measure the learned reward of a run and write the report to `out`, by default inspect.html in the run directory.

    `blind` leaves out everything that depends on the true reward. Raises UserError if there is no learned reward or no data to
    measure it on, or the report cannot be written.
    """
    target = run / REPORT if out is None else out
    if target.suffix != ".html":
        raise UserError(f"{target} is not an .html file: name one with -o.")
    subject = examine(run, blind)
    findings = measure(subject, run, seed)
    clips, rewards = _filmed(subject)
    shown, no_films = films.render(subject.learned.settings, clips, rewards, SIZE, codec)
    _write(target, page(subject, findings, shown, no_films))
    return Report(target, findings.verdict, tuple(findings.checks))


def _filmed(subject: Subject) -> tuple[list[Segment], truth.Rewards]:
    """Return the clips to choose videos from: held-out and newest clips that no question was about."""
    return [*subject.learned.heldout, *subject.newest_clips], subject.heldout.joined(subject.newest)


def _write(path: Path, text: str) -> None:
    """Write a file atomically: it is complete, or unchanged."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            draft.write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): name another file with -o.") from error
