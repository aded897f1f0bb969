"""Agents: Stable-Baselines3's PPO and A2C, blind to the environment's reward."""

from rlhp.agent.blind import Blind, BlindA2C, BlindPPO
from rlhp.agent.build import a2c, linear, ppo
from rlhp.agent.by_observation import by_observation
from rlhp.agent.cloning import Cloner
from rlhp.agent.cnn import SmallCNN
from rlhp.agent.coach import Coach, coach
from rlhp.agent.encoders import ImageEncoder, PartsEncoder
from rlhp.agent.intrinsic_reward import StateEntropy
from rlhp.agent.kl_penalty import AdaptiveKL, FixedKL
from rlhp.agent.recorder import Recorder
from rlhp.agent.refit import ValueRefit
from rlhp.agent.reward_normaliser import NoNormalisation, ReturnNormaliser
from rlhp.agent.reward_shift import RewardShift
from rlhp.agent.sb3_export import algorithm_name, loads_without_rlhp, save_sb3
from rlhp.agent.shares import geometric, newest
from rlhp.agent.stack import FrameStack, stack_frames
from rlhp.agent.start import FromPolicy
from rlhp.agent.student import Shares, Student

__all__ = [
    "AdaptiveKL",
    "Blind",
    "BlindA2C",
    "BlindPPO",
    "Cloner",
    "Coach",
    "FixedKL",
    "FrameStack",
    "FromPolicy",
    "ImageEncoder",
    "NoNormalisation",
    "PartsEncoder",
    "Recorder",
    "ReturnNormaliser",
    "RewardShift",
    "Shares",
    "SmallCNN",
    "StateEntropy",
    "Student",
    "ValueRefit",
    "a2c",
    "algorithm_name",
    "by_observation",
    "coach",
    "geometric",
    "linear",
    "loads_without_rlhp",
    "newest",
    "ppo",
    "save_sb3",
    "stack_frames",
]
