"""Finite Markov decision processes as arrays, two simple examples, and trajectories in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhp.types import Array, UserError

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # actions of a grid, as rows and columns: up, right, down, left


@dataclass(frozen=True, slots=True)
class TabularMDP:
    """A finite MDP with S states, A actions and T steps; without a reward, since inverse RL infers it.

    To approximate an infinite horizon, choose one after which `discount` makes rewards negligible. Raises UserError for arrays
    that are not probabilities, and for a horizon or discount out of range.
    """

    transitions: Array  # [S, A, S]  probability of the next state
    start: Array  # [S]  probability of the first state
    horizon: int  # T, actions in a trajectory
    discount: float = 1.0  # in (0, 1]; step t has weight discount^t

    def __post_init__(self) -> None:
        shape = self.transitions.shape
        if len(shape) != 3 or shape[0] != shape[2] or self.start.shape != shape[:1]:
            raise UserError(f"transitions {shape} and start {self.start.shape} do not fit together; give [S, A, S] and [S].")
        for name, array in (("transitions", self.transitions), ("start", self.start)):
            if (array < 0).any() or not np.allclose(array.sum(-1), 1):
                raise UserError(f"{name} are probabilities: give numbers from 0 that sum to 1 over their last axis.")
        if self.horizon < 1 or not 0 < self.discount <= 1:
            raise UserError(f"horizon={self.horizon}, discount={self.discount}: give 1 step or more, and a discount in (0, 1].")

    @property
    def shape(self) -> tuple[int, int]:
        """S and A, the numbers of states and actions."""
        states, actions, _ = self.transitions.shape
        return states, actions


@dataclass(frozen=True, slots=True)
class Trajectories:
    """n trajectories of T steps each: the state before each action, and the action.

    Raises UserError if the shapes of the two differ, or if they are empty.
    """

    states: Array  # [n, T] int
    actions: Array  # [n, T] int

    def __post_init__(self) -> None:
        if self.states.ndim != 2 or not self.states.size or self.states.shape != self.actions.shape:
            raise UserError(
                f"states {self.states.shape} and actions {self.actions.shape} must both be [n, T], n and T at least 1."
            )

    def occupancy(self, mdp: TabularMDP) -> Array:
        """Compute how often a trajectory visits s and takes a, on average, with weight discount^t for step t: [S, A].

        Raises UserError for states, actions or a length that do not fit `mdp`.
        """
        (states, actions), (n, steps) = mdp.shape, self.states.shape
        if steps != mdp.horizon:
            raise UserError(f"trajectories of {steps} steps in an MDP of horizon {mdp.horizon}: give the MDP their length.")
        for name, values, size in (("state", self.states, states), ("action", self.actions, actions)):
            if values.min() < 0 or values.max() >= size:
                raise UserError(f"{name}s of trajectories go from 0 to {size - 1} here, not {values.min()} to {values.max()}.")
        counts = np.zeros((states, actions))
        np.add.at(counts, (self.states, self.actions), mdp.discount ** np.arange(steps) / n)
        return counts

    def start(self, mdp: TabularMDP) -> Array:
        """Compute the fraction of the trajectories that start in each state, [S]."""
        return np.bincount(self.states[:, 0], minlength=mdp.shape[0]) / len(self.states)


def sample(mdp: TabularMDP, policy: Array, n: int, rng: np.random.Generator) -> Trajectories:
    """Sample n trajectories of a policy [T, S, A]."""
    states, actions = np.empty((2, n, mdp.horizon), np.int64)
    state = _draw(np.repeat(mdp.start[np.newaxis], n, 0), rng)
    for t in range(mdp.horizon):
        states[:, t], actions[:, t] = state, _draw(policy[t, state], rng)
        state = _draw(mdp.transitions[state, actions[:, t]], rng)
    return Trajectories(states, actions)


def _draw(probabilities: Array, rng: np.random.Generator) -> Array:
    """Draw one outcome per row of [n, K], by inversion of its distribution function."""
    reached = probabilities.cumsum(-1)
    return (rng.random((len(reached), 1)) * reached[:, -1:] >= reached).sum(-1)


def chain(length: int, horizon: int) -> TabularMDP:
    """Create a chain of states 0 to `length` - 1; action 0 stays, action 1 moves on, except at the end. Starts in state 0."""
    transitions = np.zeros((length, 2, length))
    here = np.arange(length)
    transitions[here, 0, here] = transitions[here, 1, np.minimum(here + 1, length - 1)] = 1
    return TabularMDP(transitions, np.eye(length)[0], horizon)


def grid(rows: int, columns: int, horizon: int, slip: float = 0.0, start: Array | None = None) -> TabularMDP:
    """Create a grid world: cells numbered row by row, and four moves: up, right, down, left. Moves out of the grid stay in place.

    With probability `slip` the move is replaced by a random one of the four. `start` [S] is uniform by default.
    """
    cells = rows * columns
    moves = np.zeros((cells, len(MOVES), cells))
    for cell in range(cells):
        for action, (down, right) in enumerate(MOVES):
            row, column = cell // columns + down, cell % columns + right
            inside = 0 <= row < rows and 0 <= column < columns
            moves[cell, action, row * columns + column if inside else cell] = 1
    transitions = (1 - slip) * moves + slip * moves.mean(1, keepdims=True)
    return TabularMDP(transitions, np.full(cells, 1 / cells) if start is None else start, horizon)
