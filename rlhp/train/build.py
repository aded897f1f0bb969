"""Builds the components of a run from its settings and checks that they work together."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from rlhp import __version__, demonstrations, film
from rlhp.reward import AsynchronousReward
from rlhp.run import version_of
from rlhp.schedule import ExtendableSchedule
from rlhp.train import filming
from rlhp.types import Checked, Demonstrations, ImagesAndVector, Setup, Stateful, UserError, is_image, seen_space

Settings = Mapping[str, Any]
PARTS = ("memory", "query", "teacher", "training_schedule", "tracker")


class Unbuildable(UserError):
    """A component cannot be built from its settings, or does not fit its checkpoint."""


def build(settings: Settings) -> Setup:
    """Build the components of resolved settings. Raises UserError if one cannot be built or they do not work together."""
    _check(settings)
    if settings.get("watched"):
        film.without_screen()  # environments may render, also in their worker processes
    built = _instantiated(settings)
    env = built["env"]
    env.desynchronise(**settings["early_resets"])
    seen = seen_space(env.observation_space, getattr(env, "stack", 1))
    make = partial(built["reward_model"], seen, env.action_space)
    setup = Setup(
        env=env,
        agent=built["agent"](env),
        reward=AsynchronousReward(make, settings["threads"]),
        schedule=ExtendableSchedule(built["schedule"], int(settings["total_steps"])),
        **{name: built[name] for name in PARTS},
        total_steps=int(settings["total_steps"]),  # a float if written as 1e6
        max_pending=settings["max_pending"],
        reset_interval=settings["early_resets"]["interval"],
        settings=settings,
        demonstrations=_demonstrations(settings, env),
    )
    _print_notes(setup)
    _check_schedule(setup)
    setup = replace(setup, sources=filming.sources(setup))
    setup = replace(setup, loop=built["loop"](setup))
    for part in parts(setup).values():
        if isinstance(part, Checked):
            part.check(setup)
    filming.say(setup)
    return setup


def _print_notes(setup: Setup) -> None:
    """Print notes on the environment, and the networks that its observations select, to stderr."""
    env: Any = setup.env
    chosen = [text for part in (setup.agent, setup.reward) if (text := getattr(part, "chosen", ""))]
    chosen_networks = [f"{env.task} observes {_describe(env.observation_space)}: {', and '.join(chosen)}."] if chosen else []
    for note in (*chosen_networks, *getattr(env, "notes", ())):
        print(note, file=sys.stderr)


def _describe(space: Any) -> str:
    """A description of the observations."""
    if isinstance(space, ImagesAndVector):
        images = ", ".join(" x ".join(map(str, image.shape)) for image in space.images)
        return f"images ({images}) beside {space.width} numbers"
    return f"{'images' if is_image(space) else 'arrays'} of {' x '.join(map(str, space.shape))}"


def parts(setup: Setup) -> dict[str, Any]:
    """The components by name, as built from their yaml files."""
    names = ("env", "agent", "memory", "reward", "teacher", "query", "training_schedule", "loop")
    return {**{name: getattr(setup, name) for name in names}, "schedule": getattr(setup.schedule, "base", setup.schedule)}


def stateful(setup: Setup) -> dict[str, Stateful]:
    """The components that a checkpoint holds; the agent's state includes the environment's."""
    return {name: part for name, part in parts(setup).items() if name != "env" and isinstance(part, Stateful)}


def _check(settings: Settings) -> None:
    """Check settings that belong to no component. Raises UserError."""
    if settings["total_steps"] < 1:
        raise UserError(f"total_steps counts environment steps; set it to at least 1, not {settings['total_steps']}.")
    if settings["max_pending"] is not None and settings["max_pending"] < 0:
        raise UserError("max_pending counts queries; set it to at least 0, or to null to never wait.")


def _demonstrations(settings: Settings, env: Any) -> Demonstrations | None:
    """The demonstrations of the settings, if any. Raises UserError if they cannot be read or are of another environment."""
    source, episodes = settings["demos"], settings["episodes"]
    if source is not None:
        return demonstrations.load(source, env, episodes)
    if episodes is not None:
        raise UserError(f"episodes={episodes} counts demonstrations, and there are none; set demos=...")
    return None


def _check_schedule(setup: Setup) -> None:
    """Raise TypeError or ValueError if the schedule violates its protocol."""
    levels = [setup.schedule(step) for step in (0, setup.total_steps)]
    name = type(parts(setup)["schedule"]).__name__
    if not all(isinstance(level, Integral) for level in levels):
        raise TypeError(f"the schedule {name} returns {levels[0]!r} initial labels and {levels[1]!r} in total: return integers")
    if not 0 <= levels[0] <= levels[1]:
        raise ValueError(f"the schedule {name} returns {levels[0]} initial labels and {levels[1]} in total: it must not decrease")


def component(name: str, settings: Settings) -> Any:
    """Build the component `name` of resolved settings. Raises Unbuildable if its settings do not fit its constructor."""
    return _instantiated({name: settings})[name]


@contextmanager
def settings_of(run: Path) -> Iterator[None]:
    """Name the run, and the version of rlhp that wrote it, if a component cannot be built from its settings."""
    try:
        yield
    except Unbuildable as error:
        raise UserError(
            f"{run / 'config.yaml'}, written by rlhp {version_of(run)}, does not fit rlhp {__version__}: "
            f"{str(error).rstrip('.')}; restore the file if you have changed it, or install that version of rlhp."
        ) from error


def _instantiated(settings: Settings) -> dict[str, Any]:
    try:
        return instantiate(settings, _convert_="all")
    except InstantiationException as error:
        explained = _explained(error)
    raise explained  # outside of the except block, so that `error` does not become its context


def _explained(error: InstantiationException) -> Exception:
    """Convert the error of a constructor: invalid values become Unbuildable, other errors are returned unchanged."""
    cause, where = error.__cause__, str(error).rpartition("full_key: ")[2]
    if isinstance(cause, ImportError) and isinstance(cause.__cause__, ModuleNotFoundError | AttributeError):
        name = str(error).split("'")[1]
        return Unbuildable(f"{where} is set to {name}, but {cause.__cause__}; correct the name, or set PYTHONPATH to its folder.")
    if isinstance(cause, TypeError | ValueError) and not isinstance(cause, UserError):
        return Unbuildable(f"{where} cannot be built from these settings ({cause}); check its values.")
    return cause if isinstance(cause, Exception) else error
