"""What acts: PPO and A2C of Stable-Baselines3, made blind to the environment's reward."""

from rlhp.agent.blind import Blind, BlindA2C, BlindPPO
from rlhp.agent.build import a2c, linear, ppo
from rlhp.agent.recorder import Recorder
from rlhp.agent.scale import ReturnScale, Unscaled

__all__ = ["Blind", "BlindA2C", "BlindPPO", "Recorder", "ReturnScale", "Unscaled", "a2c", "linear", "ppo"]
