"""The paper's seven Atari games as one vectorised environment, stepped in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from rlhp.atari import SIZE, Game, find
from rlhp.atari.emulator import FRAME_SKIP, MAX_FRAMES, Emulator
from rlhp.atari.keys import bindings
from rlhp.atari.player import Rules
from rlhp.atari.workers import players
from rlhp.envs.batch import check_counts
from rlhp.envs.native import NativeVecEnv
from rlhp.keys import Binding
from rlhp.types import Array, UserError


def make(
    task: str,
    n_envs: int,
    seed: int,
    threads: int = 1,
    no_ops: int = 30,
    max_frames: int = MAX_FRAMES,
    clip_rewards: bool = True,
    game_over_penalty: float | None = None,
    life_loss_penalty: float = 0.0,
) -> AtariVecEnv:
    """Create `n_envs` environments of a game of `rlhp.atari.games`.

    A game starts with 0 to `no_ops` native frames without action and is truncated after `max_frames`. The synthetic teacher's
    reward for a step is the sign of the points won (`clip_rewards` false: the points) minus the penalties. The paper mentions a
    penalty at the end of an episode but not its size (`game_over_penalty` null: the value in the game's record), and specifies
    neither whether the teacher's rewards are clipped nor whether a lost life ends an episode. Raises UserError for an unknown
    game and for values out of range.
    """
    game = find(task)
    check_counts(seed, n_envs=n_envs, threads=threads, max_frames=max_frames)
    _check_rules(no_ops, max_frames, game_over_penalty, life_loss_penalty)
    penalty = game.game_over_penalty if game_over_penalty is None else game_over_penalty
    rules = Rules(no_ops, max_frames, clip_rewards, penalty, life_loss_penalty)
    return AtariVecEnv(game, n_envs, seed, rules, threads)


def _check_rules(no_ops: int, max_frames: int, *penalties: float | None) -> None:
    if not isinstance(no_ops, int | np.integer) or no_ops < 0:
        raise UserError(f"no_ops is {no_ops!r}: give a whole number of at least 0.")
    if max_frames < no_ops + FRAME_SKIP:
        raise UserError(f"max_frames is {max_frames}, which no_ops={no_ops} can use up; give at least {no_ops + FRAME_SKIP}.")
    if any(penalty is not None and not 0 <= penalty < np.inf for penalty in penalties):
        raise UserError(f"game_over_penalty and life_loss_penalty are {penalties}: give numbers of at least 0.")


class AtariVecEnv(NativeVecEnv):
    """N emulators of one game: observations [N, 84, 84] uint8, one frame each, and true rewards [N] float32.

    Settings are those of Mnih et al. 2015: an action is repeated for four native frames, and a frame is the maximum of the last
    two, greyscale, resized by area. There are no sticky actions and no FIRE at the start, and losing a life does not end an
    episode.

    The agent does not see where a game ends, since that would reveal information about the task (appendix A.2): `dones` is
    always False. The next game starts within the same call; its first frame is the observation, and `infos[i]` has "cut": True
    and "score", the points of the game that ended (no score if the task has its own criterion, whose sum counts instead). Game e
    of environment i is a pure function of (seed, i, e) and the actions; the number of threads affects only the speed.

    `threads` worker processes step fixed shares of the environments; with 1, the calling process steps them all.
    """

    stack = 4  # newest frames that the networks see together (Mnih et al. 2015)
    replays = True  # a clip is rendered from the state before its first step and its actions

    def __init__(self, game: Game, n_envs: int, seed: int, rules: Rules, threads: int = 1) -> None:
        self._choices, size = _sizes(game)
        observation, action = spaces.Box(0, 255, (SIZE, SIZE), np.uint8), spaces.Discrete(self._choices)
        super().__init__(game.name, n_envs, rules.max_frames // FRAME_SKIP, observation, action)
        self.definition = game
        self._block, self._players = players(game, rules, n_envs, size, min(threads, n_envs))
        self.seed(seed)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Set the seed; the next reset starts game 0. None keeps the seed."""
        if seed is not None:
            self._block.seed[0] = seed
        self._block.episode[:] = -1
        return [int(self._block.seed[0])] * self.num_envs

    def desynchronise(self, interval: int | None = None, fraction: float = 0.0) -> None:
        """Do nothing: random no-ops desynchronise the games from the start, and their own randomness does the rest.

        Raises UserError for early resets: the agent would only ever see the beginning of a game.
        """
        if interval is not None:
            raise UserError(f"{self.task} is not reset early; set early_resets.interval=null.")

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """Key bindings of the joystick's actions."""
        return bindings(self.definition)

    def states(self) -> Array:
        """Return the emulators' states at the current observation, [N, S] uint8."""
        return self._block.state.copy()

    def reset(self) -> Array:
        """Start the next game in every environment and return the frames [N, 84, 84] uint8."""
        self._players.start(b"r")
        self._players.finish()
        return self._block.frame.copy()

    def step_async(self, actions: Array) -> None:
        """Start a step with actions [N]; workers, if any, run it in the background."""
        chosen = np.asarray(actions).reshape(self.num_envs)
        if chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= self._choices:
            raise ValueError(f"actions of {self.task} are whole numbers from 0 to {self._choices - 1}, not {chosen}")
        self._block.action[:] = chosen
        self._players.start(b"s")

    def step_wait(self) -> VecEnvStepReturn:
        """Finish the step and return frames [N, 84, 84] uint8, true rewards [N] float32, dones [N] (all False), infos."""
        self._players.finish()
        block = self._block
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(block.cut).tolist():
            infos[i] = {"cut": True} | ({} if self.definition.criterion else {"score": float(block.score[i])})
        return block.frame.copy(), block.reward.copy(), np.zeros(self.num_envs, bool), infos

    def snapshot(self) -> dict[str, Array]:
        """Return copies of everything that determines the future; after `restore` the results are bit-identical."""
        block = self._block
        kept = {"episode": block.episode, "running": block.running, "frame": block.frame, "state": block.state}
        game = np.frombuffer(self.task.encode(), np.uint8)  # several games have states of the same size
        return {"game": game, "seed": np.full(self.num_envs, block.seed[0]), **{k: array.copy() for k, array in kept.items()}}

    def restore(self, snapshot: dict[str, Array]) -> Array:
        """Continue from a snapshot and return its frames [N, 84, 84] uint8.

        Raises UserError if the snapshot is of another game or another number of environments.
        """
        self._check_fits(snapshot)
        if snapshot["game"].tobytes().decode() != self.task:
            raise UserError(f"The snapshot is not of {self.task}: resume with the game it was made with.")
        self._block.seed[0] = snapshot["seed"][0]
        for name in ("episode", "running", "frame", "state"):
            getattr(self._block, name)[:] = snapshot[name]
        self._players.start(b"l")
        self._players.finish()
        return self._block.frame.copy()

    def close(self) -> None:
        """Stop the worker processes."""
        self._players.close()


@cache
def _sizes(game: Game) -> tuple[int, int]:
    """Return the game's number of actions and the size of its state in bytes."""
    probe = Emulator(game)
    return len(probe.moves), len(probe.save())
