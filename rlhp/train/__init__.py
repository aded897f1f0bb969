"""From a configuration to a trained run. The only package that uses Hydra."""

from rlhp.train.build import build
from rlhp.train.command import main
from rlhp.train.compose import compose
from rlhp.train.expert import Expert, expert_trainer
from rlhp.train.extend import extend
from rlhp.train.fit import fit
from rlhp.train.from_run import frozen, replay
from rlhp.train.job import Trained, environment, load, train
from rlhp.train.learned import Learned, learned
from rlhp.train.loops import Cloning, Coaching, preferences
from rlhp.train.overrides import HYDRA_OPTIONS
from rlhp.train.rounds import dagger, smile
from rlhp.train.starts import from_demonstrations, from_run

__all__ = [
    "HYDRA_OPTIONS",
    "Cloning",
    "Coaching",
    "Expert",
    "Learned",
    "Trained",
    "build",
    "compose",
    "dagger",
    "environment",
    "expert_trainer",
    "extend",
    "fit",
    "from_demonstrations",
    "from_run",
    "frozen",
    "learned",
    "load",
    "main",
    "preferences",
    "replay",
    "smile",
    "train",
]
