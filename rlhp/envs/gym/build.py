"""One environment of a registered Gymnasium id."""

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
    """What makes an environment of an id; `settings` go to `gymnasium.make`, and `wrappers` are put around what that makes.

    It takes along what is registered under the id, since another process may be the one that calls it, where it raises UserError
    if Gymnasium cannot make one. Raises UserError for names of wrappers that are none.
    """
    around, registered = find(wrappers), gymnasium.registry.get(id)

    def made() -> gymnasium.Env:
        if registered is not None:
            gymnasium.registry.setdefault(id, registered)
        try:
            with warnings.catch_warnings():  # who asks for a picture says so where there is none
                warnings.filterwarnings("ignore", r".*render_mode='\w+' that is not in the possible", UserWarning)
                return gymnasium.make(id, **settings)
        except gymnasium.error.UnregisteredEnv as error:
            near = get_close_matches(id, gymnasium.registry, n=3, cutoff=0.0)
            raise UserError(f"Gymnasium has no environment {id!r}; the nearest are {', '.join(near)}.") from error
        except (gymnasium.error.Error, ModuleNotFoundError) as error:  # what it lacks
            raise UserError(f"Gymnasium cannot make {id!r}: {error}") from error
        except TypeError as error:
            if not _is_of_settings(error, settings):
                raise
            raise UserError(f"Gymnasium cannot make {id!r}: {error}; look at the values of env.kwargs.") from error

    return lambda: applied(made(), around)


def _is_of_settings(error: TypeError, settings: dict[str, Any]) -> bool:
    """Whether the constructor was given the wrong keywords, or too few; any other TypeError is the environment's own."""
    named = any(f"unexpected keyword argument '{name}'" in str(error) for name in settings)
    raised = error.__cause__ or error  # Gymnasium raises another one from it, with the keywords added
    return named or extract_tb(raised.__traceback__)[-1].filename == registration.__file__
