"""Runs that are passed on: a folder with a model card, and its way to the Hugging Face hub and back."""

from rlhp.hub.pull import pull
from rlhp.hub.push import Published, push, push_to

__all__ = ["Published", "pull", "push", "push_to"]
