"""Confidence intervals of proportions."""

from __future__ import annotations

from math import sqrt

Z = 1.959964  # quantile of the normal distribution for a 95 % interval


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's (1927) 95 % interval for a proportion `share` of n."""
    centre, spread = share + Z**2 / (2 * n), Z * sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return (centre - spread) / (1 + Z**2 / n), (centre + spread) / (1 + Z**2 / n)
