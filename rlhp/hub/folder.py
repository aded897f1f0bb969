"""The folder that is published of a run: a run directory without what is private to its owner."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import yaml

from rlhp import store
from rlhp.run import last_checkpoint, last_checkpoint_step, read_settings, write_published
from rlhp.types import Array

CARD, CONFIG, STORE, FILM = "README.md", "config.yaml", "preferences.sqlite", "replay.mp4"  # the hub plays a film of this name
FILMS = ("policy.mp4", FILM)  # as `rlhp film` calls it, and as a folder that was pulled does
COPIED = (
    *("versions.json", "attempts.jsonl", "metrics.csv", "clock.csv", "heldout.csv", "plan.json", "finished.json"),
    *("curve.png", "reward.png", "fit.png"),
)
ANSWERS = ("predictions.csv", "feedback.csv", "comparisons.csv")  # files with answers besides the store
MADE = (CARD, CONFIG, STORE, FILM, "policy.zip", "vec_normalize.pkl", "checkpoints/*/done", "checkpoints/*/*.safetensors")
PATTERNS = (*MADE, *COPIED, *ANSWERS, "finished-*.json")  # of all files that such a folder may hold
LEARNED = {
    "agent": ("policy/", "normalise/", "mixture/"),
    "reward": ("",),
}  # names in a checkpoint's parts that acting and predicting need
PRIVATE = {"page": None, "tracker": {"_target_": "rlhp.run.NoTracker"}}  # settings, and what is published instead


def write_folder(run: Path, out: Path) -> None:
    """Write what is published of a run, except its answers, into an existing folder.

    Of the newest checkpoint that is the policy and the reward model. Raises UserError where there is no checkpoint.
    """
    parts = {name: _learned(name, state) for name, state in last_checkpoint(run).items() if name in LEARNED}
    write_published(out / "checkpoints", last_checkpoint_step(run), parts)
    (out / CONFIG).write_text(
        yaml.safe_dump(published_settings(read_settings(run)), sort_keys=False, allow_unicode=True), "utf-8"
    )
    _copy([*(run / name for name in COPIED), *run.glob("finished-*.json")], out)
    film = next((run / name for name in FILMS if (run / name).is_file()), None)
    if film is not None:
        shutil.copyfile(film, out / FILM)


def write_answers(run: Path, out: Path) -> None:
    """Add every query, clip and answer, with the names of the annotators."""
    if (run / STORE).is_file():
        store.copy(run / STORE, out / STORE)
    _copy([run / name for name in ANSWERS], out)


def published_files(folder: Path) -> list[Path]:
    """The files in a folder that belong to a published run, by their paths below it."""
    found = {path.relative_to(folder) for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)


def _copy(files: list[Path], out: Path) -> None:
    for file in files:
        if file.is_file():
            shutil.copyfile(file, out / file.name)


def _learned(part: str, state: Mapping[str, Array]) -> dict[str, Array]:
    return {name: value for name, value in state.items() if name.startswith(LEARNED[part])}


def published_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those of the page and the tracker; an absolute path is reduced to its last part."""
    told = {name: PRIVATE.get(name, value) for name, value in settings.items()}
    return {name: _without_folders(value) for name, value in told.items()}


def _without_folders(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {name: _without_folders(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_without_folders(value) for value in node]
    return PurePath(node).name if isinstance(node, str) and node.startswith(("/", "~", "file:")) else node
