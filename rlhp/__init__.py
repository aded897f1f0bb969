"""Deep reinforcement learning from human preferences (Christiano et al., 2017)."""

__version__ = "1.0.0"
