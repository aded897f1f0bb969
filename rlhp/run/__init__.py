"""A run directory: what a run logs, how it is stopped and how it goes on."""

from rlhp.run.directory import RunDirectory, check_owner, claim, finished, last_checkpoint
from rlhp.run.record import NoTracker, Wandb

__all__ = ["NoTracker", "RunDirectory", "Wandb", "check_owner", "claim", "finished", "last_checkpoint"]
