"""COACH with a synthetic trainer: the effect of signals, from a clone and from scratch.

    rlhp train env=halfcheetah condition=true_reward name=experts
    rlhp demonstrate runs/experts/RUN --episodes 1 -o /tmp/demos
    rlhp train env=halfcheetah condition=cloning demos=/tmp/demos total_steps=600 loop.evaluate_every=600 name=clones
    rlhp train env=halfcheetah condition=coach expert=runs/experts/RUN agent/start=clone agent.start.run=runs/clones/RUN ...
    python experiments/demonstrations/coach.py runs/main/*-coach-*

Evaluates the policies that the runs started from and ended with on the same ten episodes, and writes coach.csv next to this file:
one row per run, with its mean and lowest true return before and after, and the number of signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlhp import evaluate, train
from rlhp.analysis.experiment import script
from rlhp.csv_records import write_csv
from rlhp.run import load, read_settings
from rlhp.types import Array, UserError

OUT = Path(__file__).with_name("coach.csv")
EPISODES, SEED = 10, 10_000
SETTINGS = ("learning_rate", "decay", "n_steps")


def acted(run: Path) -> Array:
    """Measure the true returns of the deterministic policy of a run's last checkpoint."""
    trained = train.load(run)
    env = trained.make_env(EPISODES, SEED)
    try:
        return evaluate.returns(trained.policy, env, EPISODES)
    finally:
        env.close()


def row(run: Path) -> dict[str, Any]:
    """Evaluate a run's first and last policy."""
    settings, data = read_settings(run), load(run)
    agent, trainer = settings["agent"], settings["loop"]["trainer"]
    start = agent.get("start") or {}
    before = acted(Path(start["run"])) if "run" in start else None
    after, signals = acted(run), data.last("signals")
    gain = "" if before is None else round(float(after.mean() - before.mean()) / signals * 1000)
    return {
        "env": settings["task"],
        "seed": settings["seed"],
        "start": "scratch" if before is None else "clone",
        **{name: agent[name] for name in SETTINGS},
        **{name: trainer[name] for name in ("speaks", "delay", "dead_zone", "lookahead")},
        "n_envs": settings["n_envs"],
        "steps": data.step,
        "signals": int(signals),
        "before": "" if before is None else round(float(before.mean())),
        "before_min": "" if before is None else round(float(before.min())),
        "after": round(float(after.mean())),
        "after_min": round(float(after.min())),
        "per_1000_signals": gain,
    }


def main(arguments: Sequence[str]) -> None:
    """Measure the runs, then print and write the rows."""
    if not arguments:
        raise UserError("name the run directories of condition=coach, such as runs/main/*-coach-*.")
    rows = [row(Path(run)) for run in arguments]
    write_csv(OUT, [*rows[0]], [[*each.values()] for each in rows])
    print(OUT.read_text(), end="")


if __name__ == "__main__":
    script(main)
