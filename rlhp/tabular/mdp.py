"""Finite Markov decision processes as arrays, two that are easy to reason about, and trajectories in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhp.types import Array, UserError

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # actions of a grid, as rows and columns: up, right, down, left


@dataclass(frozen=True, slots=True)
class TabularMDP:
    """S states, A actions, T steps; its reward stands apart, since it is what inverse RL looks for.

    An infinite horizon is one after which `discount` leaves nothing that matters. Raises UserError for arrays that are no
    probabilities, and for a horizon or a discount out of range.
    """

    transitions: Array  # [S, A, S]  probability of the next state
    start: Array  # [S]  probability of the first state
    horizon: int  # T, actions in a trajectory
    discount: float = 1.0  # in (0, 1]; a step t counts discount^t

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
        """S and A."""
        states, actions, _ = self.transitions.shape
        return states, actions


@dataclass(frozen=True, slots=True)
class Trajectories:
    """n trajectories of T steps each: the state before each action, and the action.

    Raises UserError where the two do not fit together, or there is none.
    """

    states: Array  # [n, T] int
    actions: Array  # [n, T] int

    def __post_init__(self) -> None:
        if self.states.ndim != 2 or not self.states.size or self.states.shape != self.actions.shape:
            raise UserError(
                f"states {self.states.shape} and actions {self.actions.shape} must both be [n, T], n and T at least 1."
            )

    def occupancy(self, mdp: TabularMDP) -> Array:
        """[S, A]: how often a trajectory is in s and does a, on average, a step t counted discount^t.

        Raises UserError for states, actions or a length that are not those of `mdp`.
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
        """[S]: the share of the trajectories that begin in each state."""
        return np.bincount(self.states[:, 0], minlength=mdp.shape[0]) / len(self.states)


def sample(mdp: TabularMDP, policy: Array, n: int, rng: np.random.Generator) -> Trajectories:
    """n trajectories of a policy [T, S, A]."""
    states, actions = np.empty((2, n, mdp.horizon), np.int64)
    state = _draw(np.repeat(mdp.start[np.newaxis], n, 0), rng)
    for t in range(mdp.horizon):
        states[:, t], actions[:, t] = state, _draw(policy[t, state], rng)
        state = _draw(mdp.transitions[state, actions[:, t]], rng)
    return Trajectories(states, actions)


def _draw(probabilities: Array, rng: np.random.Generator) -> Array:
    """One outcome for each row of [n, K], by inversion of its distribution function."""
    reached = probabilities.cumsum(-1)
    return (rng.random((len(reached), 1)) * reached[:, -1:] >= reached).sum(-1)


def chain(length: int, horizon: int) -> TabularMDP:
    """States 0 to `length` - 1 in a row; action 0 stays, action 1 moves on, and at the end stays too. Starts in state 0."""
    transitions = np.zeros((length, 2, length))
    here = np.arange(length)
    transitions[here, 0, here] = transitions[here, 1, np.minimum(here + 1, length - 1)] = 1
    return TabularMDP(transitions, np.eye(length)[0], horizon)


def grid(rows: int, columns: int, horizon: int, slip: float = 0.0, start: Array | None = None) -> TabularMDP:
    """Cells, numbered row by row, and four moves, up, right, down, left; who would leave the grid stays in place.

    With probability `slip` the move is one of the four at random, whatever was chosen. `start` [S] is uniform by default.
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
