"""From a configuration to a trained run. The only room that knows Hydra."""

from rlhp.train.build import build
from rlhp.train.command import main
from rlhp.train.earlier import frozen, replay
from rlhp.train.expert import Critic, advantage_trainer
from rlhp.train.job import Trained, load, train
from rlhp.train.loops import Cloning, Coaching, preferences
from rlhp.train.rounds import dagger, smile

__all__ = [
    "Cloning",
    "Coaching",
    "Critic",
    "Trained",
    "advantage_trainer",
    "build",
    "dagger",
    "frozen",
    "load",
    "main",
    "preferences",
    "replay",
    "smile",
    "train",
]
