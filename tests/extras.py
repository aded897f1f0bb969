"""Environments that need a package which is not installed with rlhp."""

from importlib.util import find_spec

import pytest

PACKAGES = {
    "walker_walk": "dm_control",
    "quadruped_walk": "dm_control",
    "cheetah_run": "dm_control",
    "button_press": "metaworld",
    "car_racing": "Box2D",
    "minigrid": "minigrid",
}


def needed(env: str) -> None:
    """Skips a test where the package of this yaml in conf/env is not there; others need none."""
    package = PACKAGES.get(env)
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed, and env={env} needs it")
