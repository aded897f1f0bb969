"""Creation of a single environment of a registered Gymnasium id."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from traceback import extract_tb
from typing import Any

import gymnasium
from gymnasium.envs import registration

from rlhp.envs.gym.wrappers import Named, applied, find
from rlhp.types import UserError


def factory(id: str, settings: dict[str, Any], wrappers: Sequence[Named] = ()) -> Callable[[], gymnasium.Env]:
    """Return a function that creates an environment; `settings` are passed to `gymnasium.make`, then `wrappers` are applied.

    The function includes the registration of the id, since another process may call it. It raises UserError if Gymnasium cannot
    make the environment. Raises UserError for unknown wrappers.
    """
    found, registered = find(wrappers), gymnasium.registry.get(id)

    def make() -> gymnasium.Env:
        if registered is not None:
            gymnasium.registry.setdefault(id, registered)
        try:
            with warnings.catch_warnings():  # rendering reports a missing picture itself
                warnings.filterwarnings("ignore", r".*render_mode='\w+' that is not in the possible", UserWarning)
                return gymnasium.make(id, **settings)
        except gymnasium.error.UnregisteredEnv as error:
            near = get_close_matches(id, gymnasium.registry, n=3, cutoff=0.0)
            raise UserError(f"Gymnasium has no environment {id!r}; the nearest are {', '.join(near)}.") from error
        except (gymnasium.error.Error, ModuleNotFoundError) as error:  # such as a missing dependency
            raise UserError(f"Gymnasium cannot make {id!r}: {error}") from error
        except TypeError as error:
            if not _is_of_settings(error, settings):
                raise
            raise UserError(f"Gymnasium cannot make {id!r}: {error}; check env.kwargs.") from error

    return lambda: applied(make(), found)


def _is_of_settings(error: TypeError, settings: dict[str, Any]) -> bool:
    """Return whether wrong or missing keywords caused the error; any other TypeError is the environment's own."""
    named = any(f"unexpected keyword argument '{name}'" in str(error) for name in settings)
    raised = error.__cause__ or error  # Gymnasium wraps it in another TypeError that lists the keywords
    return named or extract_tb(raised.__traceback__)[-1].filename == registration.__file__
