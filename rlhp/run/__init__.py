"""A run directory: what a run logs, how it is stopped and how it goes on."""

from rlhp.run.attempt import FAILED, attempt, failure, under_way
from rlhp.run.checkpoint import write_whole
from rlhp.run.directory import (
    PLAN,
    VERSIONS,
    RunDirectory,
    begun,
    check_owner,
    claim,
    differing,
    discard,
    finished,
    last_checkpoint,
    may_change,
    note_attempt,
    reached,
    read_settings,
    reopen,
    shown,
)
from rlhp.run.keys import Bearer, bearer, key_of
from rlhp.run.page import Served, announce, dismiss, dismissed, last_served, new_token, recall, served, serving
from rlhp.run.record import NoTracker, Wandb

__all__ = [
    "FAILED",
    "PLAN",
    "VERSIONS",
    "Bearer",
    "NoTracker",
    "RunDirectory",
    "Served",
    "Wandb",
    "announce",
    "attempt",
    "bearer",
    "begun",
    "check_owner",
    "claim",
    "differing",
    "discard",
    "dismiss",
    "dismissed",
    "failure",
    "finished",
    "key_of",
    "last_checkpoint",
    "last_served",
    "may_change",
    "new_token",
    "note_attempt",
    "reached",
    "read_settings",
    "recall",
    "reopen",
    "served",
    "serving",
    "shown",
    "under_way",
    "write_whole",
]
