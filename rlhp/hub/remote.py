"""The Hugging Face hub, by its own client: an extra, `pip install 'rlhp[hub]'`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rlhp.types import UserError

MISSING = (
    "the Hugging Face hub needs the package huggingface_hub; install it with: pip install 'rlhp[hub]' (rlhp push RUN --to FOLDER "
    "and rlhp pull FOLDER RUN do without)"
)


def upload(folder: Path, repo: str, private: bool) -> str:
    """Upload a folder to a model repository, made if it is not there; its address. Raises UserError where that fails."""
    with _explained(repo) as hub:
        api = hub.HfApi()
        made = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message="A run of rlhp")
        return str(made)


def download(repo: str, folder: Path, patterns: Sequence[str]) -> None:
    """Download those files of a model repository that are of one of the patterns. Raises UserError where that fails."""
    with _explained(repo) as hub:
        hub.snapshot_download(repo, local_dir=folder, allow_patterns=list(patterns))


@contextmanager
def _explained(repo: str) -> Iterator[ModuleType]:
    """The hub's client; whatever it raises as the user's error: a name, a token, a network, a server."""
    try:
        hub = import_module("huggingface_hub")
    except ImportError as error:
        raise UserError(MISSING) from error
    try:
        yield hub
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"the hub did not serve {repo} ({first}); check its name, the network, and hf auth login.") from error
