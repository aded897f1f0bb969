"""Meta-World's manipulation tasks (Yu et al. 2020) under Gymnasium ids: `env.id=rlhp.envs.metaworld:metaworld/button-press-v0`.

Importing this module registers each task of Meta-World's third version, such as button-press-v3, as `metaworld/button-press-v0`.
As in B-Pref (Lee et al. 2021), the positions of object and goal change with each episode, and the goal is not observed; if it
cannot be inferred from the object, `env.kwargs.goal=true` adds it to the observation.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

from rlhp.types import Array, UserError

try:
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS  # pyright: ignore[reportMissingImports]
    from metaworld.sawyer_xyz_env import SawyerMocapBase  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise UserError(
        f"Meta-World is missing here ({error}); install it with: pip install --no-deps 'metaworld>=3.1,<4' (it requires an "
        "older MuJoCo, but works with this one)"
    ) from error

STEPS = 500  # per episode, as in Meta-World
CAMERA = "corner3"  # upside down, like all corner cameras of Meta-World
_PHYSICS = int(mujoco.mjtState.mjSTATE_INTEGRATION)
_WELD = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 5.0]  # no offset between gripper and mocap body; 5: torque scale


class Sawyer(gymnasium.Env[Array, Array]):
    """One task: observations [39] float64 (hand, gripper, objects; the same one step earlier; the goal or zeros).

    Rewards lie in [0, 10]. Actions [4] in [-1, 1]: motion of the hand, and closing of the gripper. Only the time limit ends an
    episode. `info["success"]` is 1 if the task is solved in this step. An episode's positions are part of the physics model, so
    clips are rendered while it acts.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self, task: str, goal: bool = False, render_mode: str | None = None, width: int = 320, height: int = 320
    ) -> None:
        self.render_mode = render_mode
        self._sawyer: Any = ALL_V3_ENVIRONMENTS[task]()
        self._sawyer._partially_observable = not goal
        self._sawyer.__dict__.pop("sawyer_observation_space", None)  # cached for a hidden goal
        self._sawyer._set_task_called, self._sawyer._freeze_rand_vec, self._sawyer.seeded_rand_vec = True, False, True
        self.action_space = spaces.Box(-1, 1, (4,), np.float32)
        bounds = self._sawyer.sawyer_observation_space
        self.observation_space = spaces.Box(bounds.low, bounds.high, dtype=np.float64)
        self._renderer: Any = MujocoRenderer(
            self._sawyer.model, self._sawyer.data, width=width, height=height, camera_name=CAMERA
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start an episode; its positions depend only on this environment's random stream."""
        super().reset(seed=seed)
        return self._start(int(self.np_random.integers(2**32))), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Run one control step of five physics steps."""
        observation, reward, terminated, _, info = self._sawyer.step(action)
        return observation, float(reward), terminated, False, info

    def render(self) -> Array | None:
        """Return a picture [height, width, 3] uint8, or None without a render_mode."""
        return None if self.render_mode is None else self._renderer.render(self.render_mode)[::-1, ::-1]

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    def get_state(self) -> Array:
        """Return all numbers that determine the rest of this episode, for `set_state`; the next one starts from `np_random`."""
        sawyer = self._sawyer
        physics = np.empty(mujoco.mj_stateSize(sawyer.model, _PHYSICS))
        mujoco.mj_getState(sawyer.model, sawyer.data, physics, _PHYSICS)
        return np.concatenate([[self._seed, sawyer.curr_path_length], sawyer._prev_obs, physics])

    def set_state(self, state: Array) -> None:
        """Continue from what `get_state` returned, bit for bit."""
        sawyer = self._sawyer
        self._start(int(state[0]))  # sets the positions of this episode
        sawyer.curr_path_length = int(state[1])
        sawyer._prev_obs, physics = np.split(state[2:], [len(sawyer._prev_obs)])
        mujoco.mj_setState(sawyer.model, sawyer.data, physics, _PHYSICS)

    def _start(self, seed: int) -> Array:
        self._seed = seed  # of this episode
        self._sawyer.np_random = np.random.default_rng(seed)
        bounds = self._sawyer.sawyer_observation_space
        return self._sawyer.reset()[0].clip(bounds.low, bounds.high)


def _reset_welds(sawyer: Any) -> None:
    """Like Meta-World's own function, which sets eleven numbers of a weld; MuJoCo 4 has twelve."""
    for kind, numbers in zip(sawyer.model.eq_type, sawyer.model.eq_data, strict=True):
        if kind == int(mujoco.mjtEq.mjEQ_WELD):
            numbers[: len(_WELD)] = _WELD


def _register() -> None:
    for task in ALL_V3_ENVIRONMENTS:
        id = f"metaworld/{task.removesuffix('-v3')}-v0"
        if id not in gymnasium.registry:
            gymnasium.register(id, f"{__name__}:Sawyer", max_episode_steps=STEPS, kwargs={"task": task})


SawyerMocapBase.reset_mocap_welds = _reset_welds
_register()
