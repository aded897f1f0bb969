"""Selects a reward model by the observation space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gymnasium import spaces

from rlhp.pixels import Layers, described, fitting, height_and_width
from rlhp.reward.cnn import PAPER, cnn_ensemble
from rlhp.reward.ensemble import RewardEnsemble
from rlhp.reward.features import InputScaling
from rlhp.reward.mlp import mlp_ensemble
from rlhp.reward.parts import parts_ensemble
from rlhp.types import ImagesAndVector, is_image

Settings = Mapping[str, Any]


def by_observation(
    observation_space: spaces.Space,
    action_space: spaces.Space,
    *,
    vectors: Settings,
    images: Settings,
    parts: Settings,
    hidden: Sequence[int],
    input_scaling: InputScaling,
    layers: Layers = PAPER,
    units: int = 64,
    threads: int = 1,
    device: str = "cpu",
    **settings: Any,
) -> RewardEnsemble:
    """Perceptrons for vectors, convolutional networks for images, and networks of both kinds for images beside a vector.

    `vectors`, `images` and `parts` hold the fit settings of each kind; other settings that are not None override them. `hidden`
    and `input_scaling` apply to networks that read vectors; `layers`, `units`, `threads` and `device` to networks that read
    images. Smaller convolutions replace `layers` where an image is too small for them. Raises UserError for settings and spaces
    that it does not support.
    """
    common = {name: value for name, value in settings.items() if value is not None}
    reading = {"units": units, "threads": threads, "device": device}
    if isinstance(observation_space, ImagesAndVector):
        given = {**parts, **common, **reading, "hidden": hidden, "input_scaling": input_scaling, "layers": layers}
        model = parts_ensemble(observation_space, action_space, **given)
        height, width = height_and_width(observation_space.images[0])
        model.chosen = f"the reward model encodes each image ({described(fitting(layers, height, width))}) beside the rest"
    elif isinstance(observation_space, spaces.Box) and is_image(observation_space):
        chosen = fitting(layers, *height_and_width(observation_space))
        model = cnn_ensemble(observation_space, action_space, **{**images, **common, **reading, "layers": chosen})
        model.chosen = f"the reward model is convolutional ({described(chosen)})"
    else:
        model = mlp_ensemble(
            observation_space, action_space, **{**vectors, **common, "hidden": hidden, "input_scaling": input_scaling}
        )
    return model
