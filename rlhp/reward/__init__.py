"""Reward models: the learned reward that the policy maximises, and the true reward in its place."""

from rlhp.reward.airl import AIRL
from rlhp.reward.asynchronous import AsynchronousReward, model_state
from rlhp.reward.augment import Crop, no_augmentation
from rlhp.reward.by_observation import by_observation
from rlhp.reward.cnn import cnn_ensemble
from rlhp.reward.ensemble import RewardEnsemble
from rlhp.reward.features import between_clip_variance, unit_variance
from rlhp.reward.frozen import Frozen
from rlhp.reward.gail import GAIL
from rlhp.reward.lipschitz import GradientPenalty, SpectralNorm, Unbounded
from rlhp.reward.mlp import mlp_ensemble
from rlhp.reward.parts import parts_ensemble
from rlhp.reward.regulariser import AdaptiveL2, NoRegularisation
from rlhp.reward.true import TrueReward

__all__ = [
    "AIRL",
    "GAIL",
    "AdaptiveL2",
    "AsynchronousReward",
    "Crop",
    "Frozen",
    "GradientPenalty",
    "NoRegularisation",
    "RewardEnsemble",
    "SpectralNorm",
    "TrueReward",
    "Unbounded",
    "between_clip_variance",
    "by_observation",
    "cnn_ensemble",
    "mlp_ensemble",
    "model_state",
    "no_augmentation",
    "parts_ensemble",
    "unit_variance",
]
