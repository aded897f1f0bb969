"""What acts: PPO and A2C of Stable-Baselines3, made blind to the environment's reward."""

from rlhp.agent.blind import Blind, BlindA2C, BlindPPO
from rlhp.agent.build import a2c, linear, ppo
from rlhp.agent.cloning import Cloner
from rlhp.agent.cnn import SmallCNN
from rlhp.agent.explore import StateEntropy
from rlhp.agent.level import Level
from rlhp.agent.recorder import Recorder
from rlhp.agent.refit import ValueRefit
from rlhp.agent.scale import ReturnScale, Unscaled
from rlhp.agent.stack import FrameStack, stack_frames

__all__ = [
    "Blind",
    "BlindA2C",
    "BlindPPO",
    "Cloner",
    "FrameStack",
    "Level",
    "Recorder",
    "ReturnScale",
    "SmallCNN",
    "StateEntropy",
    "Unscaled",
    "ValueRefit",
    "a2c",
    "linear",
    "ppo",
    "stack_frames",
]
