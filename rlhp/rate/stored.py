"""A run's policy over time, represented by the clips that it asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rlhp.rate.games import Player, Scores, score
from rlhp.store import asked, labels, segments
from rlhp.types import Segment

STORE = "preferences.sqlite"


def periods(run: Path, groups: int) -> dict[str, str]:
    """Return the part of a run in which each clip was first asked about, keyed by the clip's digest.

    There are at most `groups` parts with about the same number of clips; clips of one step stay together. A part is named by its
    first and last step. A clip may be older than its part by at most the span of the memory. Raises UserError if there is no
    intact store.
    """
    first: dict[str, int] = {}
    for step, clips in asked(run / STORE):
        first |= {clip: step for clip in clips if clip not in first}
    ordered, parts = sorted(first.values()), dict[int, list[int]]()
    for step in sorted(set(ordered)):
        parts.setdefault(ordered.index(step) * groups // len(ordered), []).append(step)
    name = {step: _named(steps) for steps in parts.values() for step in steps}
    return {clip: name[step] for clip, step in first.items()}


def _named(steps: Sequence[int]) -> str:
    return str(steps[0]) if len(steps) == 1 else f"{steps[0]}-{steps[-1]}"


def answered(runs: Mapping[str, Path], groups: int) -> Scores:
    """Score the stored answers without repeats. With several runs, the names of parts include the run's name."""
    names: dict[str, int] = {}
    policy_of: dict[str, int] = {}
    for name, run in runs.items():
        for clip, part in periods(run, groups).items():
            policy_of.setdefault(clip, names.setdefault(part if len(runs) == 1 else f"{name} {part}", len(names)))
    given = [
        label
        for run in runs.values()
        for label in labels(run / STORE)
        if label.round == 0 and set(label.clips) <= policy_of.keys()
    ]
    return score(list(names), [([policy_of[clip] for clip in label.clips], label.answer()) for label in given])


def players(run: Path, groups: int) -> Sequence[Player]:
    """Return the parts of a run with their clips."""
    part = periods(run, groups)
    clips: dict[str, list[Segment]] = {name: [] for name in part.values()}
    for digest, clip in segments(run / STORE, part):
        clips[part[digest]].append(clip)
    return [Player(name, tuple(held)) for name, held in clips.items()]
