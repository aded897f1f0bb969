"""What the policy maximises: the learned reward, or the true one in its place."""

from rlhp.reward.augment import Crop, whole
from rlhp.reward.background import Background, model_state
from rlhp.reward.cnn import cnn_ensemble
from rlhp.reward.ensemble import RewardEnsemble
from rlhp.reward.features import alike, lasting
from rlhp.reward.frozen import Frozen
from rlhp.reward.mlp import mlp_ensemble
from rlhp.reward.regularise import AdaptiveL2, NoPenalty
from rlhp.reward.true import TrueReward

Ensemble = mlp_ensemble  # its name in the settings of earlier runs

__all__ = [
    "AdaptiveL2",
    "Background",
    "Crop",
    "Ensemble",
    "Frozen",
    "NoPenalty",
    "RewardEnsemble",
    "TrueReward",
    "alike",
    "cnn_ensemble",
    "lasting",
    "mlp_ensemble",
    "model_state",
    "whole",
]
