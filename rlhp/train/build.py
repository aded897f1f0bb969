"""The parts from their settings, and whether they can work together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from rlhp.agent import Blind
from rlhp.reward import Background
from rlhp.run import differing, shown
from rlhp.train import page
from rlhp.types import Effort, Schedule, Select, Stateful, Teacher, UserError

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """What `learn` is given, built from one configuration."""

    env: Any
    agent: Blind
    memory: Any
    query: Select
    teacher: Teacher
    reward: Any
    schedule: Schedule
    effort: Effort
    tracker: Any

    def stateful(self) -> dict[str, Any]:
        """The parts that a checkpoint holds."""
        named = {"agent": self.agent, "memory": self.memory, "reward": self.reward, "teacher": self.teacher}
        return {name: part for name, part in named.items() if isinstance(part, Stateful)}


def build(settings: Settings) -> Parts:
    """The parts of resolved settings. Raises UserError where one cannot be built or they cannot work together."""
    built = _instantiated(settings)
    env = built["env"]
    env.stagger(**settings["restarts"])
    agent = built["agent"](env)
    make = partial(built["reward_model"], env.observation_space, env.action_space)
    reward = Background(make, settings["threads"])
    names = ("memory", "query", "teacher", "schedule", "effort", "tracker")
    parts = Parts(env=env, agent=agent, reward=reward, **{name: built[name] for name in names})
    _check(settings, parts)
    return parts


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


def _check(settings: Settings, parts: Parts) -> None:
    """What single parts cannot know. Raises UserError."""
    clip, steps, horizon = settings["clip_steps"], parts.agent.n_steps, getattr(parts.env, "horizon", None)
    if clip > steps:
        raise UserError(f"clips of {clip} steps are longer than a rollout of {steps}; lower clip_steps or raise agent.n_steps.")
    if horizon is not None and clip > horizon:
        raise UserError(f"clips of {clip} steps are longer than an episode of {horizon}; lower clip_steps.")
    after = settings["restarts"]["after"]
    if after is not None and clip > after:
        raise UserError(f"clips of {clip} steps are longer than {after}, after which robots begin anew; raise restarts.after.")
    if settings["total_steps"] < 1:
        raise UserError(f"total_steps counts environment steps; set it to 1 or more, not {settings['total_steps']}.")
    _check_waiting(settings["max_open"], parts.teacher)
    drawable = settings["task"] == "point" or parts.env.states() is not None
    page.check(settings.get("page"), settings["query"]["clips"], drawable, settings["task"])
    _check_replay(settings)
    _check_memory(settings, parts.schedule(0))


def _check_waiting(max_open: int | None, teacher: Teacher) -> None:
    if max_open is not None and max_open < 0:
        raise UserError("max_open counts questions; set it to 0 or more, or to null to never wait.")
    if max_open is not None and getattr(teacher, "needs_time", False):
        raise UserError("this teacher answers as training goes on, so waiting for it would never end; set max_open=null.")


def _check_replay(settings: Settings) -> None:
    """Recorded answers are to the questions of that run, so all that questions depend on must be as it was there."""
    if settings["teacher"]["_target_"] != "rlhp.train.replay":
        return
    run = settings["teacher"]["run"]
    differs = [key for key in differing(Path(run), settings) if key.split(".")[0] not in ("name", "teacher", "max_open")]
    if differs:
        raise UserError(
            f"the answers of {run} are to the questions of a run with other settings ({shown(differs)}); repeat those."
        )


def _check_memory(settings: Settings, first: int) -> None:
    """The first questions wait for clips; a memory too small for them would keep training waiting for ever."""
    query, capacity = settings["query"], settings["memory"]["capacity"]
    needed = round(first * query["clips"] / 2 * query["clips_per_label"])
    if needed > capacity:
        raise UserError(
            f"the first {first} questions are chosen from {needed} clips, and memory holds {capacity}; "
            f"set memory.capacity={needed} or lower labels."
        )
