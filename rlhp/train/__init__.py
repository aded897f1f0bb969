"""From a configuration to a trained run. The only room that knows Hydra."""

from rlhp.train.build import build
from rlhp.train.command import main
from rlhp.train.earlier import frozen, replay
from rlhp.train.job import Trained, load, train
from rlhp.train.loops import Cloning, preferences

__all__ = ["Cloning", "Trained", "build", "frozen", "load", "main", "preferences", "replay", "train"]
