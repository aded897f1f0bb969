"""What the policy maximises: the learned reward, or the true one in its place."""

from rlhp.reward.airl import AIRL
from rlhp.reward.augment import Crop, whole
from rlhp.reward.background import Background, model_state
from rlhp.reward.by_observation import by_observation
from rlhp.reward.cnn import cnn_ensemble
from rlhp.reward.ensemble import RewardEnsemble
from rlhp.reward.features import alike, lasting
from rlhp.reward.frozen import Frozen
from rlhp.reward.gail import GAIL
from rlhp.reward.lipschitz import GradientPenalty, SpectralNorm, Unbounded
from rlhp.reward.mlp import mlp_ensemble
from rlhp.reward.parts import parts_ensemble
from rlhp.reward.regularise import AdaptiveL2, NoPenalty
from rlhp.reward.true import TrueReward

__all__ = [
    "AIRL",
    "GAIL",
    "AdaptiveL2",
    "Background",
    "Crop",
    "Frozen",
    "GradientPenalty",
    "NoPenalty",
    "RewardEnsemble",
    "SpectralNorm",
    "TrueReward",
    "Unbounded",
    "alike",
    "by_observation",
    "cnn_ensemble",
    "lasting",
    "mlp_ensemble",
    "model_state",
    "parts_ensemble",
    "whole",
]
