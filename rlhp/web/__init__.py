"""The page on which people compare clips. It runs in its own process and shares only the store with the training."""

from rlhp.web.options import Options
from rlhp.web.serve import annotate

__all__ = ["Options", "annotate"]
