"""`rlhp inspect RUN`: measure an r-hat, write the report, and say the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlhp.inspect import films, truth
from rlhp.inspect.checks import Check, Outcome
from rlhp.inspect.findings import Subject, measure, subject
from rlhp.inspect.page import page
from rlhp.types import Segment, UserError

REPORT = "inspect.html"
SIZE = 240  # pixels of a film


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and where it is written down."""

    path: Path
    verdict: Outcome
    checks: tuple[Check, ...]

    def text(self) -> str:
        """The verdict, a line for each check, and the path of the report."""
        width = max(len(check.title) for check in self.checks)
        rows = [f"{check.outcome:<9}  {check.title:<{width}}  {check.says}" for check in self.checks]
        return "\n".join([*rows, "", f"verdict: {self.verdict}", str(self.path)])


def inspect(run: Path, out: Path | None = None, *, blind: bool = False, codec: str = "h264", seed: int = 10_000) -> Report:
    """Measure the reward that a run has learned and write the report to `out` (inspect.html in the run directory).

    `blind` leaves out all that the true reward tells. Raises UserError where there is no learned reward, nothing to measure it
    on, or the report cannot be written.
    """
    target = run / REPORT if out is None else out
    if target.suffix != ".html":
        raise UserError(f"{target} is no .html file: name one with -o.")
    of = subject(run, blind)
    found = measure(of, run, seed)
    clips, rewards = _filmed(of)
    shown, no_films = films.shoot(of.learned.settings, clips, rewards, SIZE, codec)
    _write(target, page(of, found, shown, no_films))
    return Report(target, found.verdict, tuple(found.checks))


def _filmed(of: Subject) -> tuple[list[Segment], truth.Rewards]:
    """The clips that films are chosen from: held out or newest, none that anybody was asked about."""
    return [*of.learned.heldout, *of.newest_clips], of.heldout.joined(of.newest)


def _write(path: Path, text: str) -> None:
    """Write a file that is there as a whole or as it was before."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): name another file with -o.") from error
