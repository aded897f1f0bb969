"""How well the reward model on images learns from a run's labels, with each of its approximations and without.

    python experiments/atari/predictor.py runs/... [--members 1] [--steps 800] [--seconds 600] [--hold-out 2] [--out FILE]

One question of --hold-out is held out, unless it shows a clip that another shows as well, and the others are fitted. Each
variant is measured after 25, 50, 100, ... gradient steps: the share of held-out questions, ties apart, of which the members' mean
tells the answer, beside the processor time that fitting has taken. A variant ends at --steps or --seconds, whichever comes
first, so that rows can be compared at equal steps and at equal times. One thread. A standard error is about .5 / sqrt(questions).
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from rlhp.preference import CrossEntropy
from rlhp.reward import AdaptiveL2, RewardEnsemble, cnn_ensemble
from rlhp.store import recorded, segments
from rlhp.store.codec import Answered, ComparisonBuilder
from rlhp.types import Comparisons, Evidence, Query

BATCH = 128  # clips predicted at once
VARIANTS: dict[str, dict[str, Any]] = {
    "all": {"precision": "bfloat16", "every": 4},  # as in ensemble_cnn.yaml
    "float32": {"precision": "float32", "every": 4},
    "every 2": {"precision": "bfloat16", "every": 2},
    "every 1": {"precision": "bfloat16", "every": 1},
    "dropout from the first step": {"precision": "bfloat16", "every": 4, "dropout_after": 0},
    "exact": {"precision": "float32", "every": 1},
}


@dataclass(frozen=True, slots=True)
class Row:
    """A measurement."""

    variant: str
    steps: int
    seconds: float  # of processor time, fitting
    accuracy: float
    questions: int  # held out, ties apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--hold-out", type=int, default=2)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    every = read(given.run / "preferences.sqlite")
    fitted, held_out = apart(every, given.hold_out)
    with given.out.open("w", newline="") if given.out else sys.stdout as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row.__annotations__)
        for name in given.variants:
            model = ensemble(every, given.members, VARIANTS[name])
            for steps, seconds in fits(model, fitted, given.steps, given.seconds):
                row = Row(name, steps, round(seconds, 1), round(accuracy(model, held_out), 4), len(held_out))
                writer.writerow([getattr(row, field) for field in Row.__annotations__])
                file.flush()


def read(store: Path) -> Comparisons:
    """All comparisons that the run was given."""
    questions, table = recorded(store), ComparisonBuilder()
    names = sorted({name for question in questions.values() for name in question.clips})
    clips = dict(segments(store, names))
    table.extend(
        [
            Answered(Query(id, tuple(clips[name] for name in question.clips), 0), question.clips, answer)
            for id, question in questions.items()
            for _, answer in question.answers
        ]
    )
    return table.comparisons()


def apart(comparisons: Comparisons, one_in: int) -> tuple[Comparisons, Comparisons]:
    """What is fitted, and what is measured on: no ties, and no clips that are fitted."""
    c = comparisons
    kept = c.query % one_in == 0
    fitted = c.rows(~kept)
    known = np.isin(c.shown, fitted.shown).any(axis=1)
    return fitted, c.rows(kept & ~known & c.decided())


def ensemble(comparisons: Comparisons, members: int, settings: Mapping[str, Any]) -> RewardEnsemble:
    """The reward model of conf/reward_model/ensemble_cnn.yaml but for these settings."""
    steps = comparisons.clips[:1]
    frame, history = steps.obs.shape[2:], steps.obs.shape[1] - steps.true_reward.shape[1]
    fixed = {"learning_rate": 3e-4, "batch_size": 16, "ema_window": 0.05, "calibration_steps": 512, "dropout_after": 100}
    penalty = AdaptiveL2(initial=1.0, rate=0.001)
    seen = spaces.Box(0, 255, (history + 1, *frame), np.uint8)
    return cnn_ensemble(
        seen, spaces.Discrete(18), members=members, loss=CrossEntropy(), regulariser=penalty, **{**fixed, **settings}
    )


def fits(model: RewardEnsemble, fitted: Comparisons, most: int, seconds: float) -> Iterator[tuple[int, float]]:
    """Gradient steps made and processor time taken, after 25, 50, 100, ..."""
    steps, taken = 25, 0.0
    while steps <= most and taken < seconds:
        began = time.process_time()
        model.fit(Evidence(fitted), steps)
        taken += time.process_time() - began
        yield steps, taken
        steps *= 2


def accuracy(model: RewardEnsemble, held_out: Comparisons) -> float:
    """The share of comparisons, each of two clips, that the mean of the members tells."""
    used, row = np.unique(held_out.shown.T, return_inverse=True)
    parts = np.array_split(used, max(1, len(used) // BATCH))
    sums = np.concatenate([model.predict_members(held_out.clips[part]).sum(axis=2).mean(axis=0) for part in parts])
    left, right = sums[row].reshape(2, -1)
    return float(((left > right) == (held_out.ranks[:, 0] < held_out.ranks[:, 1])).mean())


if __name__ == "__main__":
    main()
