"""Teachers: synthetic ones, one that answers late, people at the page, and a recorded run."""

from rlhp.teacher.bpref import BPref
from rlhp.teacher.delayed import Delayed
from rlhp.teacher.human import Human
from rlhp.teacher.noisy import Noisy
from rlhp.teacher.oracle import Oracle
from rlhp.teacher.replay import Replay

__all__ = ["BPref", "Delayed", "Human", "Noisy", "Oracle", "Replay"]
