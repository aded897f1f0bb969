"""The Bradley-Terry model and related losses: pure functions of predicted segment sums.

Shapes: M members, C segments, n answers to queries of K segments, Q queries. A sum is the undiscounted sum of r-hat over a
segment (equation 1 of the paper and its footnote 3).
"""

from rlhp.preference.adaptive_scale import AdaptiveScale
from rlhp.preference.bradley_terry import ELO_PER_NAT, disagreement, elo, expected_score, win_probability
from rlhp.preference.cross_entropy import CrossEntropy, log_likelihood, rated_loss
from rlhp.preference.plackett_luce import PlackettLuce
from rlhp.preference.rankings import Loss, Pairs, Rankings, agreement, check_ranked, pairs
from rlhp.preference.return_error import ReturnError

__all__ = [
    "ELO_PER_NAT",
    "AdaptiveScale",
    "CrossEntropy",
    "Loss",
    "Pairs",
    "PlackettLuce",
    "Rankings",
    "ReturnError",
    "agreement",
    "check_ranked",
    "disagreement",
    "elo",
    "expected_score",
    "log_likelihood",
    "pairs",
    "rated_loss",
    "win_probability",
]
