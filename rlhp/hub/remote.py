"""Upload to and download from the Hugging Face hub; needs the extra `rlhp[hub]`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rlhp.hub.folder import PATTERNS
from rlhp.types import UserError

MISSING = (
    "the Hugging Face hub needs the package huggingface_hub; install it with: pip install 'rlhp[hub]' (local folders do not need "
    "it: rlhp push RUN --to FOLDER)"
)


def upload(folder: Path, repo: str, private: bool) -> str:
    """Upload a folder to a model repository, which is created if it does not exist; its address.

    Files that an earlier push has left there are deleted. Raises UserError where the upload fails.
    """
    with _explained(repo) as hub:
        api = hub.HfApi()
        made = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo, folder_path=folder, delete_patterns=[*PATTERNS], commit_message="Publish a run with rlhp push"
        )
        return str(made)


def download(repo: str, folder: Path, patterns: Sequence[str]) -> None:
    """Download the files of a model repository that match one of the patterns. Raises UserError where that fails."""
    with _explained(repo) as hub:
        hub.snapshot_download(repo, local_dir=folder, allow_patterns=list(patterns))


@contextmanager
def _explained(repo: str) -> Iterator[ModuleType]:
    """The hub's client. Whatever it raises is a UserError: a wrong name, a missing token, the network, the server."""
    try:
        hub = import_module("huggingface_hub")
    except ImportError as error:
        raise UserError(MISSING) from error
    try:
        yield hub
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"the hub does not give access to {repo} ({first}); check the name and the network, and log in with hf auth login."
        ) from error
