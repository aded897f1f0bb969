"""Published runs: directories that hold what a run learned, and not what its training continues from."""

from __future__ import annotations

import json
from pathlib import Path

from rlhp.run import checkpoint
from rlhp.types import UserError

VERSIONS = "versions.json"  # versions and machine at the start of the run


def is_published(path: Path) -> bool:
    """Whether this directory holds a published run: its newest checkpoint has the policy and the reward model only."""
    steps = checkpoint.complete(path / "checkpoints")
    return bool(steps) and not checkpoint.trainable(path / "checkpoints", steps[-1])


def check_trainable(path: Path) -> None:
    """Raise UserError for a published run, whose checkpoint lacks what training needs."""
    if is_published(path):
        raise UserError(
            f"{path} is a published run: it has only what was learned, not the optimisers, clips and environments that training "
            f"continues from; train a new run on its reward with reward_model=frozen reward_model.run={path}, or use it as its "
            "README.md says."
        )


def version_of(path: Path) -> str:
    """The version of rlhp that started the run in this directory; `of unknown version` if that is not recorded."""
    try:
        return str(json.loads((path / VERSIONS).read_text())["rlhp"])
    except (OSError, ValueError, KeyError, TypeError):
        return "of unknown version"
