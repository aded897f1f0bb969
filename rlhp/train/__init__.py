"""From a configuration to a trained run. The only room that knows Hydra."""

from rlhp.train.build import build
from rlhp.train.command import main
from rlhp.train.earlier import frozen, replay
from rlhp.train.job import Trained, load, train

__all__ = ["Trained", "build", "frozen", "load", "main", "replay", "train"]
