"""The page at which people compare clips: an application of its own process, that meets the training in the store alone."""

from rlhp.web.options import Options
from rlhp.web.serve import annotate

__all__ = ["Options", "annotate"]
