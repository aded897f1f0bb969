"""A run directory: what a run logs, how it is stopped and how it goes on."""

from rlhp.run.attempt import FAILED, attempt, failure, under_way
from rlhp.run.directory import VERSIONS, RunDirectory, check_owner, claim, finished, last_checkpoint
from rlhp.run.record import NoTracker, Wandb

__all__ = [
    "FAILED",
    "VERSIONS",
    "NoTracker",
    "RunDirectory",
    "Wandb",
    "attempt",
    "check_owner",
    "claim",
    "failure",
    "finished",
    "last_checkpoint",
    "under_way",
]
