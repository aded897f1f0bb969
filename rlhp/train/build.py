"""The parts from their settings, and whether they can work together."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from rlhp import demonstrations, film
from rlhp.reward import AsynchronousReward
from rlhp.schedule import ExtendableSchedule
from rlhp.train import filming
from rlhp.types import Checked, Demonstrations, ImagesAndVector, Setup, Stateful, UserError, is_image, seen_space

Settings = Mapping[str, Any]
PARTS = ("memory", "query", "teacher", "training_schedule", "tracker")


def build(settings: Settings) -> Setup:
    """The parts of resolved settings. Raises UserError where one cannot be built or they cannot work together."""
    _check(settings)
    if settings.get("watched"):
        film.without_screen()  # environments may have to draw, and in processes that they start
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
        total_steps=int(settings["total_steps"]),  # 1e6 is a way to write it
        max_pending=settings["max_pending"],
        reset_interval=settings["early_resets"]["interval"],
        settings=settings,
        demonstrations=_demonstrations(settings, env),
    )
    _tell(setup)
    _check_schedule(setup)
    setup = replace(setup, sources=filming.sources(setup))
    setup = replace(setup, loop=built["loop"](setup))
    for part in parts(setup).values():
        if isinstance(part, Checked):
            part.check(setup)
    filming.say(setup)
    return setup


def _tell(setup: Setup) -> None:
    """Say on stderr what to know of the environment, and which networks were chosen by what is observed."""
    env: Any = setup.env
    chosen = [text for part in (setup.agent, setup.reward) if (text := getattr(part, "chosen", ""))]
    told = [f"{env.task} observes {_words(env.observation_space)}: {', and '.join(chosen)}."] if chosen else []
    for note in (*told, *getattr(env, "notes", ())):
        print(note, file=sys.stderr)


def _words(space: Any) -> str:
    """What is observed."""
    if isinstance(space, ImagesAndVector):
        images = ", ".join(" x ".join(map(str, image.shape)) for image in space.images)
        return f"images ({images}) beside {space.width} numbers"
    return f"{'images' if is_image(space) else 'arrays'} of {' x '.join(map(str, space.shape))}"


def parts(setup: Setup) -> dict[str, Any]:
    """The parts by name, as they were built from their yamls."""
    names = ("env", "agent", "memory", "reward", "teacher", "query", "training_schedule", "loop")
    return {**{name: getattr(setup, name) for name in names}, "schedule": getattr(setup.schedule, "base", setup.schedule)}


def stateful(setup: Setup) -> dict[str, Stateful]:
    """The parts that a checkpoint holds; the agent's state includes the environment's."""
    return {name: part for name, part in parts(setup).items() if name != "env" and isinstance(part, Stateful)}


def _check(settings: Settings) -> None:
    """What no part knows. Raises UserError."""
    if settings["total_steps"] < 1:
        raise UserError(f"total_steps counts environment steps; set it to 1 or more, not {settings['total_steps']}.")
    if settings["max_pending"] is not None and settings["max_pending"] < 0:
        raise UserError("max_pending counts questions; set it to 0 or more, or to null to never wait.")


def _demonstrations(settings: Settings, env: Any) -> Demonstrations | None:
    """Those that the settings name, if any. Raises UserError where they cannot be read, or are not of this environment."""
    source, episodes = settings["demos"], settings["episodes"]
    if source is not None:
        return demonstrations.load(source, env, episodes)
    if episodes is not None:
        raise UserError(f"episodes={episodes} counts demonstrations, and there are none; name them with demos=...")
    return None


def _check_schedule(setup: Setup) -> None:
    """Raises TypeError or ValueError, naming the schedule, where it does not keep to its protocol."""
    levels = [setup.schedule(step) for step in (0, setup.total_steps)]
    name = type(parts(setup)["schedule"]).__name__
    if not all(isinstance(level, Integral) for level in levels):
        raise TypeError(f"the schedule {name} wants {levels[0]!r} labels first and {levels[1]!r} in all: return whole numbers")
    if not 0 <= levels[0] <= levels[1]:
        raise ValueError(f"the schedule {name} wants {levels[0]} labels first and {levels[1]} in all: a schedule never falls")


def _instantiated(settings: Settings) -> dict[str, Any]:
    try:
        return instantiate(settings, _convert_="all")
    except InstantiationException as error:
        told = _explained(error)
    raise told  # out here: raised while `error` is handled, a cause of its own would get it for a context


def _explained(error: InstantiationException) -> Exception:
    """What a constructor refused, as the user's error; anything but a value it could not use comes out as it was raised."""
    cause, where = error.__cause__, str(error).rpartition("full_key: ")[2]
    if isinstance(cause, ImportError) and isinstance(cause.__cause__, ModuleNotFoundError | AttributeError):
        name = str(error).split("'")[1]
        return UserError(f"{where} is to be {name}, and {cause.__cause__}; correct its name, or set PYTHONPATH to its folder.")
    if isinstance(cause, TypeError | ValueError) and not isinstance(cause, UserError):
        return UserError(f"{where} cannot be built from these settings ({cause}); look at the values given for it.")
    return cause if isinstance(cause, Exception) else error
