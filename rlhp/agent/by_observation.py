"""PPO with settings and networks chosen by the observation space."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from rlhp.agent.blind import Blind
from rlhp.agent.build import linear, make, ppo_algorithm
from rlhp.agent.encoders import NATURE, ImageEncoder, convolutions
from rlhp.pixels import described, fits, height_and_width
from rlhp.types import ImagesAndVector, is_image
from rlhp.types.frames import seen_space

Settings = Mapping[str, Any]


def by_observation(
    env: VecEnv,
    *,
    vectors: Settings,
    images: Settings,
    parts: Settings,
    precision: str,
    threads: int,
    fast: bool = True,
    **settings: Any,
) -> Blind:
    """Build a blind PPO with the settings of `vectors`, `images` or `parts` (images and a vector), by the observations of `env`.

    Other `settings` that are not None override these; mappings such as `policy_kwargs` are merged entry by entry. `fast`,
    `precision` and `threads` are those of `rlhp.agent.ppo`; an implementation without `precision` ignores it. A
    `learning_rate` or `clip_range` that is a mapping has the arguments of `rlhp.agent.linear`. Raises UserError as `make` does.
    """

    def build(chosen: Settings) -> Blind:
        algorithm, more = ppo_algorithm(env, chosen, fast, precision, threads)
        return make(algorithm, env, **more, **chosen)

    space: Any = env.observation_space
    if isinstance(space, ImagesAndVector):
        agent = build(_merged(parts, settings))
        agent.chosen = f"the policy encodes each image ({described(convolutions(space.images[0]))}) and reads the rest directly"
    elif is_image(space):
        chosen = _on_images(env, _merged(images, settings))
        agent = build(chosen)
        agent.chosen = f"the policy is convolutional ({_network(env, chosen)})"
    else:
        agent = build(_merged(vectors, settings))
        shape = space.shape or ()
        agent.chosen = f"the policy reads the observation as a vector of {prod(shape):,} numbers" if len(shape) > 1 else ""
    return agent


def _on_images(env: VecEnv, settings: dict[str, Any]) -> dict[str, Any]:
    """Complete the settings of a policy on images."""
    kwargs = {"features_extractor_class": ImageEncoder, **(settings.get("policy_kwargs") or {})}
    if not isinstance(env.action_space, spaces.Box):
        kwargs.pop("log_std_init", None)  # only for Gaussian policies; SB3 ignores it otherwise, FastCnnPPO does not support it
    # small images are more often symbols than pictures, and some of their numbers are tiny
    small = not fits(NATURE, *height_and_width(_seen(env)))
    return {"normalise_observations": small, **settings, "policy_kwargs": kwargs}


def _network(env: VecEnv, settings: Settings) -> str:
    """Describe the network of a policy on images."""
    extractor = settings["policy_kwargs"]["features_extractor_class"]
    return described(convolutions(_seen(env))) if extractor is ImageEncoder else getattr(extractor, "__name__", str(extractor))


def _seen(env: VecEnv) -> Any:
    return seen_space(env.observation_space, getattr(env, "stack", 1))


def _merged(chosen: Settings, given: Settings) -> dict[str, Any]:
    """Merge `given` settings that are not None into the `chosen` ones."""
    merged = {name: value for name, value in chosen.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, Mapping) and isinstance(merged.get(name, {}), Mapping):
            merged[name] = _merged(merged.get(name) or {}, value)
        elif value is not None:
            merged[name] = value
    for name in ("learning_rate", "clip_range"):
        if isinstance(merged.get(name), Mapping):
            merged[name] = linear(**merged[name])
    return merged
