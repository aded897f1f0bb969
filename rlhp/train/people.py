"""People who teach at a page while the agent acts: as the expert of DAgger, or as the trainer of COACH."""

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

SIZE = 400  # approximate size of pictures in pixels
FEEDBACK = "feedback.csv"  # in the run directory: the feedback at each step that has some
CORRECTING = (
    "Hold the keys that you would press if you were acting. The learner acts, and your keys are recorded at every step. "
    "In the first round you act yourself. After each round the learner is trained on all of your keys."
)
JUDGING = (
    "Watch the agent, and press good or bad as soon as it deserves it: every key press counts. It learns while you watch, "
    "so praise what is better than its usual behaviour."
)
GOOD, BAD = "ArrowUp", "ArrowDown"
WORDS = [{"code": GOOD, "does": "good"}, {"code": BAD, "does": "bad"}]


def taught_by_people(setup: Setup) -> bool:
    """Whether teacher=human, so that people replace the synthetic expert or trainer."""
    return isinstance(setup.teacher, Human)


@contextmanager
def audience(setup: Setup, run: Run, **facts: Any) -> Generator[tuple[Pacer, Shoot]]:
    """Serve a page during the training; yields the clock that the person controls and the renderer. `facts` as for `Stage`.

    A run that was served before is served at the same address.
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
    """Let the environment keep the frames that the person watches, if they cannot be rendered from its states."""
    if isinstance(env, Filming) and env.films:
        env.film(lambda: 1)


class HumanExpert:
    """A person as DAgger's expert: the keys that they hold while the learner acts are their labels of the states.

    This object is also the person's policy: its action at the current step is what they hold. Raises UserError if the environment
    cannot be shown, or has no keys.
    """

    def __init__(self, setup: Setup, steps: int, make: Callable[[int], Any], mode: bool) -> None:
        self._setup, self._steps, self._make, self._mode = setup, steps, make, mode
        self._keys = keyboard(setup.env, setup.settings.get("keyboard"))
        self._labels: list[Array] = []
        self._pacer: Pacer | None = None
        self._shoot: Shoot | None = None

    @contextmanager
    def present(self, run: Run) -> Generator[None]:
        """Serve the page for the person while this context is open."""
        facts = {"title": "Correct the learner", "instructions": CORRECTING, "keys": self._keys.legend()}
        with audience(self._setup, run, **facts) as (self._pacer, self._shoot):
            yield

    @property
    def policy(self) -> Policy:
        """The person's policy."""
        return self

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """The action that the person holds now, [n, *A]."""
        return np.repeat(self._labels[-1][np.newaxis], len(obs), axis=0)

    def log_prob(self, obs: Array, act: Array) -> Array:
        """Not available for a person. Raises UserError."""
        raise UserError("the probability of a person's actions is unknown; choose another condition, such as condition=dagger.")

    def visit(self, policy: Policy, number: int) -> Transitions:
        """Run one round in a new environment, while the person watches and holds keys."""
        assert self._pacer is not None and self._shoot is not None
        env = self._make(number)
        _film(env)
        watcher = _Watching(self._pacer, Look(env, self._shoot), self._keys, getattr(env, "stack", 1), self._steps)
        self._labels = watcher.labels
        self._pacer.rest(
            f"Round {number + 1}: {'you act' if number == 0 else 'the learner acts; hold the keys that you would press'}."
        )

        def act(obs: Array) -> Array:
            watcher.turn(obs)
            return watcher.note(policy.act(obs, deterministic=self._mode))

        try:
            return visited(act, env, self._steps)
        finally:
            env.close()
            self._pacer.busy("The learner is being trained on your keys. The next round follows.")

    def label(self, visited: Transitions) -> Transitions:
        """The steps of the last round, with the person's actions."""
        return replace(visited, act=np.stack(self._labels).astype(visited.act.dtype))

    def errors(self, obs: Array, actions: Array) -> Array:
        """Empty: a person is not asked about the states of evaluations."""
        return np.zeros(0)


@dataclass
class _Watching:
    """One round as the person sees it."""

    pacer: Pacer
    look: Look
    keys: Keyboard
    stack: int
    steps: int
    labels: list[Array] = field(default_factory=list)
    _last: Array | None = None  # the action of the previous step

    def turn(self, obs: Array) -> None:
        """Show the current state of the environment, obs [1, *seen], and wait for the next step."""
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
    """A person as COACH's trainer, who watches each step of a rollout at their own speed and presses good or bad.

    Feedback counts for the step that is shown; `agent.delay` is its delay after the action. It is recorded in the run's
    feedback.csv. Raises UserError for more than one environment.
    """

    def __init__(self, setup: Setup) -> None:
        envs = setup.settings["n_envs"]
        if envs != 1:
            raise UserError(f"a person can watch one environment, and there are {envs}; set n_envs=1.")
        self._setup, self._counts = setup, {GOOD: 0, BAD: 0}
        self._table: Table | None = None
        self._pacer: Pacer | None = None
        self._shoot: Shoot | None = None

    @contextmanager
    def present(self, run: Run) -> Generator[HumanTrainer]:
        """Serve the page for the person while this context is open."""
        _film(self._setup.env)
        path: Path | None = getattr(run, "path", None)
        self._table = None if path is None else Table(path / FEEDBACK, getattr(run, "resumed_from", 0))
        facts = {"title": "Good or bad?", "instructions": JUDGING, "keys": WORDS}
        with audience(self._setup, run, **facts) as (self._pacer, self._shoot):
            self._pacer.rest("The agent acts, and learns from your feedback.")
            yield self

    def __call__(self, rollout: Rollout, step: int) -> Array:
        """[T, 1]: the person's feedback while each step was shown: 1 (good), -1 (bad) or 0."""
        assert self._pacer is not None
        feedback = np.zeros(rollout.cut.shape)
        first = step - len(feedback)
        for t in range(len(feedback)):
            self._show(rollout, t, first + t)
            tapped = self._pacer.turn().tapped
            feedback[t, 0] = (GOOD in tapped) - (BAD in tapped)
            if self._table is not None and feedback[t, 0]:
                self._table(first + t + 1, {"feedback": feedback[t, 0]})
            self._counts = {key: count + (key in tapped) for key, count in self._counts.items()}
        return feedback

    def _show(self, rollout: Rollout, t: int, step: int) -> None:
        assert self._pacer is not None and self._shoot is not None
        if self._pacer.wants:
            picture = next(iter(self._shoot(rollout.clip(t, 0, 1))))
            good, bad = self._counts[GOOD], self._counts[BAD]
            self._pacer.show(picture, progress=f"{step:,} of {self._setup.total_steps:,} steps", kept=f"{good} good, {bad} bad")
