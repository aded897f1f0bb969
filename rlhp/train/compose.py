"""Composes the settings of a command without a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlhp.train.explain import CONFIG, explained
from rlhp.train.overrides import normalise_overrides
from rlhp.train.settings import check


def compose(argv: Sequence[str], folder: Path | None = None, command: str = "rlhp train") -> dict[str, Any]:
    """All settings as `rlhp train ARGV` resolves them; creates no folder.

    `folder` holds user-defined config groups, as for --config-dir. Raises UserError if the settings cannot be composed, or one
    has the wrong type.
    """
    words = normalise_overrides(argv)
    search = [] if folder is None else [f"hydra.searchpath=[file://{folder.resolve()}]"]
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_module("rlhp.conf", version_base=CONFIG["version_base"]):
            settings = OmegaConf.to_container(hydra.compose("config", [*words, *search]), resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        failure = explained(error, words, command)
    else:
        assert isinstance(settings, dict)
        named = {str(key): value for key, value in settings.items()}
        check(named)
        return named
    raise failure
