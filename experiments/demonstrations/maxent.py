"""Exact maximum-entropy inverse RL on a grid world: the reward inferred from demonstrations, and how good its policy is.

    python experiments/demonstrations/maxent.py    # a quarter of a minute on one core

An expert that is soft-optimal for the true reward demonstrates; a reward per cell is fitted to the demonstrations, with a
standard normal prior. Writes maxent.csv (both rewards and occupancies of every cell, from 100 demonstrations) and
maxent_demonstrations.csv (distance of the fitted policy from the expert after 1 to 1,000 demonstrations, five seeds each) next to
this file, draws maxent.png
from them and prints a table. Rewards are determined up to a constant, so both are drawn with mean 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlhp.analysis.experiment import script
from rlhp.analysis.style import BLUE, INK, figure, save, tidy
from rlhp.csv_records import write_csv
from rlhp.tabular import TabularMDP, fit, grid, occupancy, sample, soft_policy
from rlhp.types import Array, make_rng

HERE = Path(__file__).parent
SIZE, HORIZON, SLIP = 6, 20, 0.1
START = (SIZE - 1, 0)  # row and column: bottom left
GOAL, WATER = (0, SIZE - 1), [(2, 1), (2, 2), (2, 3), (2, 4), (3, 4), (4, 4)]  # a wall of water that can be passed at either end
SHOWN, COUNTS, SEEDS = 100, (1, 3, 10, 30, 100, 300, 1000), range(1, 6)


@dataclass(frozen=True, slots=True)
class World:
    """The grid world, its true reward [S], and the occupancies [S, A] of the expert and of the uniform policy."""

    mdp: TabularMDP
    reward: Array
    expert: Array
    policy: Array  # [T, S, A]  the expert's
    uniform: Array


@dataclass(frozen=True, slots=True)
class Row:
    """One fit: the distance of its policy from the expert's."""

    demonstrations: int
    seed: int
    distance: (
        float  # fraction of its time that the policy spends elsewhere than the expert: half the L1 distance of cell occupancies
    )
    share: float  # of the expert's true return, with the uniform policy's as 0


def world() -> World:
    mdp = grid(SIZE, SIZE, HORIZON, SLIP, np.eye(SIZE**2)[np.ravel_multi_index(START, (SIZE, SIZE))])
    reward = np.zeros((SIZE, SIZE))
    reward[GOAL] = 2
    reward[tuple(zip(*WATER, strict=True))] = -2
    policy = soft_policy(mdp, reward.ravel()).probabilities
    uniform = np.full_like(policy, 1 / mdp.shape[1])
    return World(mdp, reward.ravel(), occupancy(mdp, policy), policy, occupancy(mdp, uniform))


def fitted(world: World, demonstrations: int, seed: int) -> tuple[Array, Array]:
    """Fit a reward [S] to this number of demonstrations; return it and the occupancy [S, A] of its soft-optimal policy."""
    seen = sample(world.mdp, world.policy, demonstrations, make_rng(seed, "demonstrations", demonstrations))
    features = np.repeat(np.eye(SIZE**2)[:, np.newaxis], world.mdp.shape[1], 1)
    found = fit(world.mdp, features, seen, l2=1 / demonstrations)  # the likelihood is a mean, and so is the prior
    return found.theta, occupancy(world.mdp, found.policy)


def compared(world: World, demonstrations: int, seed: int) -> Row:
    found = fitted(world, demonstrations, seed)[1]
    elsewhere = np.abs((found - world.expert).sum(1)).sum() / 2 / HORIZON
    best, worst, own = (float(o.sum(1) @ world.reward) for o in (world.expert, world.uniform, found))
    return Row(demonstrations, seed, float(elsewhere), (own - worst) / (best - worst))


def cells(world: World) -> list[tuple[float, ...]]:
    """Return row, column, true and fitted reward, occupancy of the expert and of the fitted policy, for every cell."""
    theta, found = fitted(world, SHOWN, 1)
    columns = (*np.indices((SIZE, SIZE)).reshape(2, -1), world.reward, theta, world.expert.sum(1), found.sum(1))
    return [tuple(map(float, row)) for row in zip(*columns, strict=True)]


def write(name: str, header: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    write_csv(HERE / name, header, [[f"{value:.4g}" for value in row] for row in rows])


def panel(page: Figure, axes: Axes, title: str, values: Array, limits: tuple[float, float], colours: str) -> None:
    """Draw a map of the grid [S] with its numbers in the cells; S is the start and G the goal."""
    picture = values.reshape(SIZE, SIZE)
    image = axes.imshow(picture, cmap=colours, vmin=limits[0], vmax=limits[1])
    middle, half = sum(limits) / 2, (limits[1] - limits[0]) / 2
    for (row, column), value in np.ndenumerate(picture):
        dark = value - middle > 0.45 * half if colours == "Blues" else abs(value) > 0.6 * half
        mark = {START: "\nS", GOAL: "\nG"}.get((row, column), "")
        axes.text(column, row, f"{value:z.1f}{mark}", ha="center", va="center", fontsize=7, color="white" if dark else INK)
    axes.set_title(title, fontsize=10, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    page.colorbar(image, ax=axes, shrink=0.75).ax.tick_params(labelsize=7.5, labelcolor=INK)


def curve(axes: Axes, rows: Sequence[Row], title: str, values: Sequence[float]) -> None:
    """Plot a value over the number of demonstrations: every seed, and their mean."""
    tidy(axes).set_xscale("log")
    axes.plot([row.demonstrations for row in rows], values, ".", color=BLUE, alpha=0.4, markersize=5)
    means = [np.mean([v for row, v in zip(rows, values, strict=True) if row.demonstrations == n]) for n in COUNTS]
    axes.plot(COUNTS, means, color=BLUE, linewidth=1.7)
    axes.set_title(title, fontsize=10, color=INK)
    axes.set_xlabel("Demonstrations", color=INK)
    axes.set_ylim(bottom=0)


def draw(maps: Sequence[Sequence[float]], rows: Sequence[Row]) -> Figure:
    page = figure(9.6, 6.2)
    _, _, true, found, expert, own = np.array(maps).T
    rewards = [true - true.mean(), found - found.mean()]
    bound, most = float(np.abs(rewards).max()), float(max(expert.max(), own.max()))
    for place, name, values in ((1, "True reward", rewards[0]), (2, f"From {SHOWN} demonstrations", rewards[1])):
        panel(page, page.add_subplot(2, 3, place), name, values, (-bound, bound), "RdBu")
    for place, name, values in ((4, "Steps of the expert", expert), (5, "Steps of the fitted policy", own)):
        panel(page, page.add_subplot(2, 3, place), name, values, (0, most), "Blues")
    curve(page.add_subplot(2, 3, 3), rows, "Time spent elsewhere", [row.distance for row in rows])
    curve(page.add_subplot(2, 3, 6), rows, "Share of the expert's return", [row.share for row in rows])
    return page


def main(arguments: Sequence[str]) -> None:
    here = world()
    maps, rows = cells(here), [compared(here, n, seed) for n in COUNTS for seed in SEEDS]
    write("maxent.csv", ("row", "column", "true_reward", "fitted_reward", "expert_steps", "fitted_steps"), maps)
    each = [(row.demonstrations, row.seed, row.distance, row.share) for row in rows]
    write("maxent_demonstrations.csv", ("demonstrations", "seed", "distance", "return_share"), each)
    save(draw(maps, rows), HERE / "maxent.png")
    apart = np.abs((here.uniform - here.expert).sum(1)).sum() / 2 / HORIZON
    print(f"a uniform policy spends {apart:.0%} of its time elsewhere than the expert, whose return is 1 and the uniform's 0")
    for n in COUNTS:
        some = [row for row in rows if row.demonstrations == n]
        print(
            f"{n:5,} demonstrations: {np.mean([r.distance for r in some]):.1%} elsewhere, {np.mean([r.share for r in some]):.2f}"
        )


if __name__ == "__main__":
    script(main)
