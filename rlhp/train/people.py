"""People who teach by acting, or by praise, at a page while the agent acts: DAgger's expert, COACH's trainer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlhp import film
from rlhp.evaluate import visited
from rlhp.keys import Keyboard, keyboard
from rlhp.live import PAUSE, Clock, Look, Pacer, Stage, seconds
from rlhp.live.look import Shoot
from rlhp.run import Served, announce, last_served
from rlhp.run.record import Table
from rlhp.teacher import Human
from rlhp.types import Array, Filming, Policy, Rollout, Run, Setup, Transitions, UserError

SIZE = 400  # pixels of the pictures, about
FEEDBACK = "feedback.csv"  # in the run directory: each step at which a person said something, and what
CORRECTING = (
    "Hold the keys that you would press if you acted, all the time: the learner acts, and each moment is noted with your keys. "
    "In the first round you act yourself. After each round the learner is fitted to all that you have said."
)
JUDGING = (
    "Watch what the agent does, and say at once whether it was good or bad: each press of a key counts. It learns while you "
    "watch, so praise what is better than what it usually does."
)
GOOD, BAD = "ArrowUp", "ArrowDown"
WORDS = [{"code": GOOD, "does": "good"}, {"code": BAD, "does": "bad"}]


def taught_by_people(setup: Setup) -> bool:
    """Whether teacher=human: people take the place of the synthetic expert or trainer."""
    return isinstance(setup.teacher, Human)


@contextmanager
def audience(setup: Setup, run: Run, **facts: Any) -> Generator[tuple[Pacer, Shoot]]:
    """A page beside the training, what draws on it, and the person's hand on the clock; `facts` as for `Stage`.

    Where the run was served before, it is so again, at the same address.
    """
    page = setup.settings.get("page") or {}
    host, port = str(page.get("host", "127.0.0.1")), int(page.get("port", 8321))
    path: Path | None = getattr(run, "path", None)
    before = None if path is None else last_served(path)
    known = {"task": setup.env.task, "orders": [PAUSE], "paced": True, **facts}
    drawing = film.drawing(setup.settings)
    with drawing.clip_renderer(SIZE) as shoot, closing(_stage(known, host, port, before)) as stage:
        if path is not None:
            announce(path, stage.page)
        print(f"Teach at {stage.page.address()}", file=sys.stderr, flush=True)
        pacer = Pacer(stage, Clock(seconds(setup.env, drawing)))
        yield pacer, shoot
        pacer.finish("The training is over. Thank you.")


def _stage(facts: Mapping[str, Any], host: str, port: int, before: Served | None) -> Stage:
    if before is not None and before.host == host and not before.root:
        return Stage(facts, host, before.port, before.token)
    return Stage(facts, host, port)


def _film(env: Any) -> None:
    """Have it keep frames of what the person watches, where nobody can draw that from its states."""
    if isinstance(env, Filming) and env.films:
        env.film(lambda: 1)


class HumanExpert:
    """A person as DAgger's expert: while somebody acts, the keys that they hold are their labels of the states.

    It is itself the policy of the person: what acts at the present step is what they hold. Raises UserError where nobody can see
    the environment, and where it has no keys.
    """

    def __init__(self, setup: Setup, steps: int, make: Callable[[int], Any], mode: bool) -> None:
        self._setup, self._steps, self._make, self._mode = setup, steps, make, mode
        self._keys = keyboard(setup.env, setup.settings.get("keyboard"))
        self._labels: list[Array] = []
        self._pacer: Pacer | None = None
        self._shoot: Shoot | None = None

    @contextmanager
    def present(self, run: Run) -> Generator[None]:
        """The person is there meanwhile."""
        facts = {"title": "Correct the learner", "instructions": CORRECTING, "keys": self._keys.legend()}
        with audience(self._setup, run, **facts) as (self._pacer, self._shoot):
            yield

    @property
    def policy(self) -> Policy:
        """The person's own."""
        return self

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """What the person holds now, [n, *A]."""
        return np.repeat(self._labels[-1][np.newaxis], len(obs), axis=0)

    def log_prob(self, obs: Array, act: Array) -> Array:
        """Nobody knows how likely a person's actions are. Raises UserError."""
        raise UserError("the actions of a person have no probability; choose another way of learning, such as condition=dagger.")

    def visit(self, policy: Policy, number: int) -> Transitions:
        """One round, in a new environment, while the person watches and holds keys."""
        assert self._pacer is not None and self._shoot is not None
        env = self._make(number)
        _film(env)
        watching = _Watching(self._pacer, Look(env, self._shoot), self._keys, getattr(env, "stack", 1), self._steps)
        self._labels = watching.labels
        self._pacer.rest(f"Round {number + 1}: {'you act' if number == 0 else 'the learner acts, hold what you would press'}.")

        def act(obs: Array) -> Array:
            watching.turn(obs)
            return watching.note(policy.act(obs, deterministic=self._mode))

        try:
            return visited(act, env, self._steps)
        finally:
            env.close()
            self._pacer.busy("The learner is being fitted to what you have said. The next round follows.")

    def label(self, visited: Transitions) -> Transitions:
        """The states of the last round, with the person's actions."""
        return replace(visited, act=np.stack(self._labels).astype(visited.act.dtype))

    def errors(self, obs: Array, actions: Array) -> Array:
        """None: nobody is asked about what is visited in evaluations."""
        return np.zeros(0)


@dataclass
class _Watching:
    """One round, as the person sees it."""

    pacer: Pacer
    look: Look
    keys: Keyboard
    stack: int
    steps: int
    labels: list[Array] = field(default_factory=list)
    _last: Array | None = None  # the action of the step before

    def turn(self, obs: Array) -> None:
        """Show where the environment is now, obs [1, *seen], and wait for the next step."""
        seen = obs[0][-1] if self.stack > 1 else obs[0]
        done = f"{len(self.labels):,} of {self.steps:,} steps"
        if self._last is None:
            self.pacer.show(self.look.still(seen, self.keys.action(())), progress=done)
        elif self.pacer.wants:
            self.pacer.show(self.look.after(seen, self._last), progress=done)
        self.labels.append(self.keys.action(self.pacer.turn().held))
        self.look.before()

    def note(self, act: Array) -> Array:
        self._last = act[0]
        return act


class HumanTrainer:
    """A person as COACH's trainer: shown each step of a rollout, at its own speed, they press good or bad.

    Feedback is heard at the step that is shown; `agent.delay` says how much later than the action it comes. What was said is kept
    in the run's feedback.csv. One environment is watched. Raises UserError for more.
    """

    def __init__(self, setup: Setup) -> None:
        envs = setup.settings["n_envs"]
        if envs != 1:
            raise UserError(f"a person watches one environment, and there are {envs}; set n_envs=1.")
        self._setup, self._heard = setup, {GOOD: 0, BAD: 0}
        self._note: Table | None = None
        self._pacer: Pacer | None = None
        self._shoot: Shoot | None = None

    @contextmanager
    def present(self, run: Run) -> Generator[HumanTrainer]:
        """The person is there meanwhile."""
        _film(self._setup.env)
        path: Path | None = getattr(run, "path", None)
        self._note = None if path is None else Table(path / FEEDBACK, getattr(run, "resumed_from", 0))
        facts = {"title": "Good or bad?", "instructions": JUDGING, "keys": WORDS}
        with audience(self._setup, run, **facts) as (self._pacer, self._shoot):
            self._pacer.rest("The agent acts, and learns from what you say of it.")
            yield self

    def __call__(self, rollout: Rollout, step: int) -> Array:
        """[T, 1]: what the person said while each step was shown, 1 (good), -1 (bad) or 0."""
        assert self._pacer is not None
        said = np.zeros(rollout.cut.shape)
        first = step - len(said)
        for t in range(len(said)):
            self._show(rollout, t, first + t)
            tapped = self._pacer.turn().tapped
            said[t, 0] = (GOOD in tapped) - (BAD in tapped)
            if self._note is not None and said[t, 0]:
                self._note(first + t + 1, {"feedback": said[t, 0]})
            self._heard = {key: count + (key in tapped) for key, count in self._heard.items()}
        return said

    def _show(self, rollout: Rollout, t: int, step: int) -> None:
        assert self._pacer is not None and self._shoot is not None
        if self._pacer.wants:
            picture = next(iter(self._shoot(rollout.clip(t, 0, 1))))
            good, bad = self._heard[GOOD], self._heard[BAD]
            self._pacer.show(picture, progress=f"{step:,} of {self._setup.total_steps:,} steps", kept=f"{good} good, {bad} bad")
