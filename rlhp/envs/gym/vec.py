"""N environments of one Gymnasium id as one vectorised environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from copy import deepcopy
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from rlhp.envs.gym import notes, observation, trial
from rlhp.envs.gym.group import CALL, LOAD, RESET, STEP, Group, in_process, layout, shares, singles
from rlhp.envs.gym.keys import bindings
from rlhp.envs.gym.pictures import simulated
from rlhp.envs.gym.share import ONE, Share
from rlhp.envs.gym.single import Factory, Single
from rlhp.keys import Binding
from rlhp.render import MODE, offers
from rlhp.types import Array, Deflated, UserError, make_rng
from rlhp.workers import InProcess, Stepping, Workers, mapped, reserve


class GymVecEnv(VecEnv):
    """N environments of one Gymnasium id: observations [N, *O] of its space's type, true rewards [N] float32.

    With one worker, the calling process steps them; with more, each process steps its share, all at the same time. The results
    are the same: the seed of environment i is a pure function of (seed, i, steps), and nothing that differs between processes is
    read. The processes start at the first reset. For the content of infos, see `rlhp.envs.gym.single`.

    An environment whose state can be saved (see `rlhp.envs.gym.resume`) resumes exactly. Any other continues from a reset, which
    is valid but gives different results; `desynchronise` prints a message about it. Its `snapshot` contains the number of steps,
    so that a resumed run does not repeat the starts of the first. An environment that terminates reveals information about its
    task; the paper's environments do not terminate (section 3.1.1).

    Clips of environments that MuJoCo simulates are rendered from its states. For all others frames are kept, at most `film_size`
    pixels wide and high, of the first `filmed` environments, or of as many as set by `film`; None: of none until then.
    """

    def __init__(
        self,
        id: str,
        factories: Sequence[Factory],
        seed: int,
        share: Share = ONE,
        filmed: int | None = 0,
        film_size: int = 400,
        clone: bool = False,
        stack: int = 1,
    ) -> None:
        self.task, self.workers, self._why = id, share.workers, share.why
        self.filmed, self.stack, self._clone = filmed, stack, clone  # `stack`: observations that networks see together
        self._filmed_count: Callable[[], int] = lambda: filmed or 0
        self._factories, self._settings = list(factories), (film_size, clone)
        here = singles(dict(enumerate(factories)), *self._settings) if self.workers == 1 else {}
        first = here[0].env if here else factories[0]()
        drawn = None if filmed else _example(factories[0], first)
        self._fields = layout(len(factories), first.observation_space, first.action_space, drawn)
        self._arrays: dict[str, Array] = {name: np.zeros(*field) for name, field in self._fields.items()}
        self._stepping: Stepping | None = InProcess(Group(here, self._arrays)) if here else None
        self._mode = first.render_mode
        self._draws = offers(first) and first.render_mode == MODE
        # copies, so that seeding them does not seed the spaces of the first environment
        super().__init__(len(factories), deepcopy(first.observation_space), deepcopy(first.action_space))
        self.metadata = first.metadata
        self.horizon: int | None = None if first.spec is None else first.spec.max_episode_steps
        self.notes = observation.notes(first, id)  # messages to print before training
        self.source = observation.source(first)  # the original observation space and its conversion to one array
        self._seed, self._steps_made, self._noted = seed, 0, False
        self.seed()
        if not here:
            first.close()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Set the seed for the next reset; None keeps the seed. Returns each environment's own seed."""
        self._seed = self._seed if seed is None else seed
        streams = [make_rng(self._seed, "env", i, self._steps_made) for i in range(self.num_envs)]
        self._seeds = [int(rng.integers(2**31)) for rng in streams]  # a range that every library accepts
        return self._seeds

    def desynchronise(self, interval: int | None = None, fraction: float = 0.0) -> None:
        """Print messages on stderr before training; Gymnasium has no way to shorten an episode.

        Raises UserError for early resets, and if `clone` is set and a pickled environment does not continue exactly.
        """
        if interval is not None:
            raise UserError(f"Gymnasium has no way to shorten an episode of {self.task}; set early_resets.interval=null.")
        _say(self._why, *notes.limit(self.task, self.horizon))
        if self._clone:
            _say(notes.cloned(self.task, self._factories[0]))
        else:
            self._note(trial.obstacle(self._factories[0]))

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """Key bindings, if the environment has `get_keys_to_action`; otherwise none."""
        try:
            return bindings(self.env_method("get_keys_to_action", indices=[0])[0])
        except AttributeError:
            return ()

    @property
    def films(self) -> bool:
        """Whether frames are kept: clips cannot be rendered from states, but the environment can draw itself."""
        return self._draws and "state" not in self._arrays and self.filmed != 0

    def film(self, wanted: Callable[[], int]) -> None:
        """Keep frames of the first `wanted()` environments from now on; called before each step."""
        self._filmed_count = wanted

    def states(self) -> Array | tuple[Deflated, ...] | None:
        """Return MuJoCo's states [N, S] float64 (`rlhp.physics`), or frames of the first environments; None if neither exists."""
        if "state" in self._arrays:
            return self._arrays["state"].copy()
        count = self._filmed_count()
        return tuple(self._call("frame", indices=range(count))) if count else None

    def reset(self) -> Array:
        """Start an episode in every environment and return the observations [N, *O]."""
        each = [(self._seeds[i], self._options[i]) for i in range(self.num_envs)]
        infos = self._all(RESET, dict(enumerate(each)))
        self.reset_infos = [infos[i] for i in range(self.num_envs)]
        self._reset_seeds()  # seeds and options apply to one reset
        self._reset_options()
        return self._arrays["obs"].copy()

    def step_async(self, actions: Array) -> None:
        """Start a step with actions [N, *A]; workers, if any, run it in the background."""
        self._arrays["action"][:] = np.reshape(actions, self._arrays["action"].shape)
        self._started().start(STEP)

    def step_wait(self) -> VecEnvStepReturn:
        """Finish the step and return observations [N, *O], true rewards [N] float32, dones [N] and infos."""
        returned = self._started().finish()
        self._steps_made += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i, (info, reset_info) in (row for rows in returned if rows for row in rows.items()):
            infos[i] = info
            if reset_info is not None:
                self.reset_infos[i] = reset_info
        arrays = self._arrays
        return arrays["obs"].copy(), arrays["reward"].copy(), arrays["done"].copy(), infos

    def snapshot(self) -> dict[str, Array]:
        """Return the number of steps per environment, and everything that determines the future, if it can be saved."""
        steps = {"steps": np.array(self._steps_made)}
        saved = self._call("save")
        reason = next((one for one in saved if isinstance(one, str)), None)
        if reason is not None:
            self._note(reason)
            return steps
        content: Array = np.frombuffer(b"".join(saved), np.uint8)
        return {**steps, "obs": self._arrays["obs"].copy(), "sizes": np.array([len(one) for one in saved]), "saved": content}

    def restore(self, snapshot: dict[str, Array]) -> Array | None:
        """Continue from a snapshot and return its observations [N, *O].

        Returns None if the environments could not be saved; the run then continues from the next reset, with new episodes. Raises
        UserError if the snapshot is of another type or number of environments.
        """
        if set(snapshot) not in ({"steps"}, {"steps", "obs", "sizes", "saved"}):
            raise UserError(f"The snapshot is not of {self.task}: resume with the environment it was made with.")
        self._steps_made = int(snapshot["steps"])
        self.seed()
        if "saved" not in snapshot:
            return None
        if snapshot["obs"].shape != self._arrays["obs"].shape or len(snapshot["sizes"]) != self.num_envs:
            raise UserError(
                f"The snapshot does not fit {self.num_envs} environments of {self.task}: "
                "resume with the environment and n_envs it was made with."
            )
        ends = np.cumsum(snapshot["sizes"]).tolist()
        content = snapshot["saved"].tobytes()
        stepping = self._started()
        self._arrays["obs"][:] = snapshot["obs"]
        stepping.start(LOAD, [{i: content[a:b] for i, (a, b) in enumerate(zip([0, *ends], ends, strict=False))}] * self.workers)
        stepping.finish()
        return self._arrays["obs"].copy()

    def get_images(self) -> Sequence[Array | None]:
        """Return each environment's own picture; None if it was not created with a render mode."""
        return self._call("render") if self._mode == "rgb_array" else [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of each environment or of its wrappers. Raises AttributeError if one lacks it."""
        if attr_name == "render_mode":  # read before the environments exist
            return [self._mode] * self.num_envs
        found = self._call("get", (attr_name,), indices)
        for exists, value in found:
            if not exists:
                raise AttributeError(value)
        return [value for _, value in found]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of each environment's outermost wrapper."""
        self._call("set", (attr_name, value), indices)

    def env_method(self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of each environment or of its wrappers."""
        return self._call("call", (method_name, method_args, method_kwargs), indices)

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """Return whether each environment has a wrapper of this class."""
        return self._call("wrapped", (wrapper_class,), indices)

    def close(self) -> None:
        """Close the environments and stop the processes."""
        if self._stepping is not None:
            self._stepping.close()

    def _started(self) -> Stepping:
        """Return what steps the environments; starts the processes on first use."""
        if self._stepping is None:
            fd = reserve(self._fields)
            try:
                self._arrays = mapped(fd, self._fields)
                makers = [
                    partial(in_process, share, fd, self._fields, *self._settings)
                    for share in shares(self._factories, self.workers)
                ]
                self._stepping = Workers(makers, fd, "env.workers=1")
            finally:
                os.close(fd)
        return self._stepping

    def _note(self, obstacle: str | None) -> None:
        """Print why the environments cannot be saved, once."""
        if obstacle is not None and not self._noted:
            self._noted = True
            _say(notes.unsaved(self.task, obstacle))

    def _all(self, order: bytes, argument: Any) -> dict[int, Any]:
        """Return the results of an order by environment."""
        stepping = self._started()
        stepping.start(order, [argument] * self.workers)
        return {i: value for rows in stepping.finish() for i, value in rows.items()}

    def _call(self, method: str, arguments: tuple[Any, ...] = (), indices: VecEnvIndices = None) -> list[Any]:
        """Return the results of a method of `Single`, for each requested environment."""
        rows = list(self._get_indices(indices))
        returned = self._all(CALL, (method, dict.fromkeys(rows, arguments)))
        return [returned[i] for i in rows]


def _say(*lines: str) -> None:
    for line in filter(None, lines):
        print(line, file=sys.stderr)


def _example(build: Factory, env: gymnasium.Env) -> Array | None:
    """Return an example of the state from which clips are rendered; None if they cannot be rendered from states."""
    if simulated(env) is None:
        return None
    with trial.preserved_random_state(), closing(Single(build)) as single:
        single.reset(seed=0)  # before a reset, a goal may have no size
        return single.state()
