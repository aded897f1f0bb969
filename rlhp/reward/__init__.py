"""What the policy maximises: the learned reward, or the true one in its place."""

from rlhp.reward.augment import Crop, whole
from rlhp.reward.background import Background, model_state
from rlhp.reward.ensemble import Ensemble
from rlhp.reward.features import alike, lasting
from rlhp.reward.frozen import Frozen
from rlhp.reward.network import best_precision
from rlhp.reward.regularise import AdaptiveL2, NoPenalty
from rlhp.reward.true import TrueReward

__all__ = [
    "AdaptiveL2",
    "Background",
    "Crop",
    "Ensemble",
    "Frozen",
    "NoPenalty",
    "TrueReward",
    "alike",
    "best_precision",
    "lasting",
    "model_state",
    "whole",
]
