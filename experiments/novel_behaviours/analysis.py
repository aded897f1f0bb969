"""Novel behaviours: what the robots do after learning a backflip, and going on one leg.

    python experiments/novel_behaviours/analysis.py [runs/human]

Rolls out the policy of every finished run below the folder, counts what it does (results.csv), and draws the learning curves
(curves.png, with its CSV), all next to this file. Without runs the table is printed from results.csv.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from rlhp.analysis import RunData, find, load, plot
from rlhp.analysis.experiment import script
from rlhp.behaviours import legs, on_the_floor, upright
from rlhp.csv_records import read_records, write_records
from rlhp.envs.tasks import TASKS
from rlhp.train import load as load_policy
from rlhp.types import Array, UserError

HERE = Path(__file__).parent
EPISODES, SEED = 20, 10_000
LANDED, CLEAN = "episodes with a turn between upright stances", "episodes with a turn on the foot alone"
SPEED, ALONE = "forward speed (m/s)", "share of time on the back leg alone"
WANTED = {"hopper_backflip": {LANDED: 0.8, CLEAN: 0.8}, "halfcheetah_one_leg": {ALONE: 0.5, SPEED: 1.0}}  # at least
ACTING = (("mean action", True), ("sampled", False))


@dataclass(frozen=True, slots=True)
class Row:
    """One count of one policy: mean, minimum and maximum over its episodes. The fields are the columns of results.csv."""

    task: str
    condition: str
    labels: int
    seed: int
    total_steps: int
    acting: str
    what: str
    mean: float
    least: float
    most: float


def episodes(run: Path, deterministic: bool) -> tuple[Array, Array]:
    """Return simulator states [T, N, S] of whole episodes, before each action, and their true returns [N]."""
    torch.set_num_threads(1)  # small networks are slower with more
    policy = load_policy(run)
    env = policy.make_env(EPISODES, SEED)
    states, returns, obs = [], np.zeros(EPISODES), env.reset()
    for _ in range(env.horizon):
        states.append(env.states())
        obs, reward, _, _ = env.step(policy.policy(obs, deterministic))
        returns += reward
    env.close()
    return np.stack(states), returns


def backflip(states: Array, touch: Mapping[str, Array], dt: float) -> dict[str, Array]:
    """Count what Hopper does, per episode [N]. The torso's angle is not wrapped, and decreases when it turns backwards."""
    angle = states[:, :, 2]
    others = np.stack([there for name, there in touch.items() if name != "foot_geom"]).any(axis=0)
    stands = touch["foot_geom"] & ~others & upright(angle)
    landed = np.array([_landed(*columns) for columns in zip(angle.T, stands.T, others.T, strict=True)])
    airborne = ~(touch["foot_geom"] | others)
    backwards = np.clip(-np.diff(angle, axis=0), 0, None)
    return {
        "backward turns": np.floor((angle[0] - angle.min(axis=0)) / (2 * np.pi)),
        "of them landed upright on the foot": landed[:, 0],
        "of them with nothing but the foot on the floor": landed[:, 1],
        LANDED: (landed[:, 0] > 0).astype(float),
        CLEAN: (landed[:, 1] > 0).astype(float),
        "forward turns": np.floor((angle.max(axis=0) - angle[0]) / (2 * np.pi)),
        "share of turning in the air": (backwards * airborne[:-1]).sum(axis=0) / np.maximum(backwards.sum(axis=0), 1e-9),
        "share of time in the air": airborne.mean(axis=0),
        "highest torso (m)": states[:, :, 1].max(axis=0),
    }


def _landed(angle: Array, stands: Array, others: Array) -> tuple[int, int]:
    """Count backward turns between two upright stances in an episode [T], and those in which only the foot touched the floor."""
    stances = np.flatnonzero(stands)
    turns = np.round(-angle[stances] / (2 * np.pi)).astype(int)
    all_of_them = clean = 0
    for first, last, turned in zip(stances[:-1], stances[1:], np.diff(turns), strict=True):
        all_of_them += max(turned, 0)
        clean += max(turned, 0) * (not others[first:last].any())
    return all_of_them, clean


def one_leg(states: Array, touch: Mapping[str, Array], dt: float) -> dict[str, Array]:
    """Count what HalfCheetah does, per episode [N]."""
    back, others = legs(touch)
    return {
        SPEED: (states[-1, :, 0] - states[0, :, 0]) / (dt * (len(states) - 1)),
        "share of time front foot in the air": 1 - touch["ffoot"].mean(axis=0),
        ALONE: (back & ~others).mean(axis=0),
        "share of time in the air": (~back & ~others).mean(axis=0),
        "share of time torso or head on the floor": (touch["torso"] | touch["head"]).mean(axis=0),
        "share of time upside down": (np.cos(states[:, :, 2]) < 0).mean(axis=0),
    }


MEASURES: dict[str, Callable[[Array, Mapping[str, Array], float], dict[str, Array]]] = {
    "hopper_backflip": backflip,
    "halfcheetah_one_leg": one_leg,
}


def rows(run: RunData) -> list[Row]:
    """Return all counts of one run."""
    task, found = TASKS[run.task], []
    for acting, deterministic in ACTING:
        states, returns = episodes(run.path, deterministic)
        measured = MEASURES[run.task](states, on_the_floor(task.robot, states), task.robot.dt)
        for what, values in {"return": returns, **measured}.items():
            numbers = (round(float(x), 4) for x in (values.mean(), values.min(), values.max()))
            found.append(Row(*run.key, acting, what, *numbers))
    return found


def measure(folder: Path) -> None:
    """Count what the finished runs do, and draw their curves."""
    runs = [load(path) for path in find([folder])]
    done = [run for run in runs if run.finished and run.task in MEASURES]
    if not done:
        raise UserError(f"no run in {folder} is finished yet: train one first, see README.md.")
    counted = [row for run in done for row in rows(run)]  # all of them before any is written
    write_records(Row, HERE / "results.csv", counted)
    print(*plot([run.path for run in done], HERE / "curves.png"), HERE / "results.csv", sep="\n")


def table(file: Path) -> str:
    """Format every count as mean (minimum to maximum), one per line."""
    lines = []
    for name, counts in groupby(read_records(Row, file), _name):
        lines += [f"\n{name}", *(f"  {row.what:<48}{row.mean:>10}   ({row.least} to {row.most})" for row in counts)]
    return "\n".join(lines)


def verdicts(file: Path) -> list[str]:
    """Compare what every policy does, with the mean action, with what is wanted."""
    found = []
    for row in read_records(Row, file):
        wanted = WANTED[row.task].get(row.what)
        if wanted is not None and row.acting == ACTING[0][0]:
            found.append(f"{'PASS ' if row.mean >= wanted else 'short'}  {row.mean:.2f} of {wanted}: {_name(row)}: {row.what}")
    return found


def _name(row: Row) -> str:
    return f"{row.task}, {row.condition}, {row.labels} labels, seed {row.seed}, {row.total_steps} steps, {row.acting}"


def main(arguments: Sequence[str]) -> None:
    """Measure the runs, if there are any, then print the table from results.csv."""
    folder = Path(arguments[0] if arguments else "runs/human")
    if folder.is_dir():
        measure(folder)
    else:
        print(f"{folder} does not exist: the table is from results.csv.")
    print(table(HERE / "results.csv"), "", *verdicts(HERE / "results.csv"), sep="\n")


if __name__ == "__main__":
    script(main)
