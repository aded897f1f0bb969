"""A run directory: what a run logs, how it is stopped and how it goes on."""

from rlhp.run.attempt import FAILED, attempt, failure, under_way
from rlhp.run.directory import (
    VERSIONS,
    RunDirectory,
    check_owner,
    claim,
    differing,
    finished,
    last_checkpoint,
    read_settings,
    shown,
)
from rlhp.run.page import Served, announce, dismiss, dismissed, last_served, new_token, served, serving
from rlhp.run.record import NoTracker, Wandb

__all__ = [
    "FAILED",
    "VERSIONS",
    "NoTracker",
    "RunDirectory",
    "Served",
    "Wandb",
    "announce",
    "attempt",
    "check_owner",
    "claim",
    "differing",
    "dismiss",
    "dismissed",
    "failure",
    "finished",
    "last_checkpoint",
    "last_served",
    "new_token",
    "read_settings",
    "served",
    "serving",
    "shown",
    "under_way",
]
