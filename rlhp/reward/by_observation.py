"""The reward model that suits what is observed."""

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
    """Perceptrons on vectors, convolutional networks on images, and networks of both kinds on images beside a vector.

    Settings of fitting are those of `vectors`, `images` or `parts`, and those given beside these that are not None hold whatever
    is observed. `hidden` and `inputs` are of networks that read vectors, `layers`, `units`, `threads` and `device` of those that
    read images; smaller convolutions take the place of `layers` where an image is too small for them. Raises UserError for
    settings and spaces that cannot be used.
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
