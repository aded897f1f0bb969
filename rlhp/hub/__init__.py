"""Publishing runs: a folder with a model card, written locally or uploaded to the Hugging Face hub, and read back."""

from rlhp.hub.pull import pull
from rlhp.hub.push import PushOptions, push, push_to

__all__ = ["PushOptions", "pull", "push", "push_to"]
