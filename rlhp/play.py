"""`rlhp play`: a person acts in an environment at a page, and what they keep becomes demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from rlhp import demonstrations, film, train
from rlhp.envs import one
from rlhp.keys import Keyboard, keyboard
from rlhp.live import IDLE, PAUSE, REFRESH, Clock, Look, Order, Stage, seconds
from rlhp.types import Array, Episode

SIZE = 400  # pixels of the pictures, about
INSTRUCTIONS = (
    "You act, at the environment's own speed. An episode that you keep is written at once, as a demonstration from which a "
    "policy can be learned; you can keep one before its end. What the learner does not see, such as a game's score, is hidden "
    "from you too."
)
ORDERS = [
    PAUSE,
    {"order": "keep", "label": "Keep the episode", "code": "KeyK", "phases": ["paused", "over"]},
    {"order": "discard", "label": "Throw it away", "code": "KeyX", "phases": ["paused", "over"]},
]


class Session:
    """One person, one environment: episodes that are started, paused, kept or thrown away.

    `keep` writes an episode, and returns how many are kept in all; `kept` of them are there already.
    """

    def __init__(
        self, env: Any, keys: Keyboard, look: Look, stage: Stage, clock: Clock, keep: Callable[[Episode], int], kept: int = 0
    ) -> None:
        self._env, self._keys, self._look, self._stage, self._clock, self._keep = env, keys, look, stage, clock, keep
        self._phase, self._news, self.kept, self.kept_steps = "ready", "", kept, 0
        self._acted, self._drawn = 0, 0.0
        self._begin()

    def run(self) -> None:
        """Until it is interrupted."""
        while True:
            self.turn()

    def end(self) -> None:
        """Tell the page that nobody serves it any more."""
        self._phase = "finished"
        self._show(None)

    def turn(self) -> None:
        """Wait for what comes next, and do it: what is asked for, or a step."""
        wait = self._clock.wait(self._changed()) if self._phase == "playing" else IDLE
        for order in self._stage.wait(wait):
            self._obey(order)
        if self._phase == "playing" and self._clock.wait(self._changed()) <= 0:
            self._step()

    def _changed(self) -> bool:
        return self._stage.pressed.n != self._acted

    def _begin(self) -> None:
        self._obs, self._tape, self._phase = np.array(self._env.reset()), demonstrations.Tape(), "ready"
        self._show(self._look.still(self._obs[0], self._keys.action(())))

    def _obey(self, order: Order) -> None:
        match order.name, self._phase:
            case "start", "ready" | "paused":
                self._phase, self._news = "playing", ""
                self._clock.start()
            case "pause", "playing":
                self._phase = "paused"
            case "keep", "paused" | "over" if len(self._tape):
                self._keep_episode()
            case ("discard", "paused" | "over") | ("start", "over"):
                self._news = f"An episode of {_steps(len(self._tape))} was thrown away."
                self._begin()
            case "speed", _:
                self._clock.pace(order.value)
        self._show(None)

    def _keep_episode(self) -> None:
        steps = len(self._tape)
        self.kept = self._keep(self._tape.episode())
        self.kept_steps += steps
        self._news = f"An episode of {_steps(steps)} is kept."
        self._begin()

    def _step(self) -> None:
        changed, pressed = self._changed(), self._stage.taken()
        act, obs = self._keys.action(pressed.held), self._obs
        self._look.before()
        after, reward, done, infos = self._env.step(np.asarray(act)[np.newaxis])
        self._acted, self._obs = pressed.n, np.array(after)
        self._tape.add(obs[0], np.array(act), float(reward[0]), bool(done[0]), infos[0], self._obs[0])
        self._clock.step()
        if self._tape.over:
            self._phase = "over"
        if changed or self._tape.over or self._clock.now() - self._drawn >= REFRESH:
            self._drawn = self._clock.now()
            self._show(None if done[0] else self._look.after(self._obs[0], act))

    def _show(self, picture: Array | None) -> None:
        steps = len(self._tape)
        say, go = SAID[self._phase]
        self._stage.show(
            picture,
            phase=self._phase,
            state={"over": "episode over"}.get(self._phase, self._phase),
            say=say,
            go=go,
            news=self._news,
            progress=f"{_steps(steps)}, {steps * self._clock.dt:.0f} s" if steps else "",
            kept=f"{_episodes(self.kept)} kept",
            speed=self._clock.speed,
            heard=self._acted,
        )


SAID = {  # by phase: what the page says, and what its button does, if it has one
    "ready": ("A new episode. Your keys are below the picture.", "Start"),
    "playing": ("", ""),
    "paused": ("Paused.", "Go on"),
    "finished": ("This page has ended. The episodes that you kept are saved.", ""),
    "over": ("The episode is over. Keep it as a demonstration, or throw it away.", ""),
}


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"


def _episodes(count: int) -> str:
    return f"{count} episode{'' if count == 1 else 's'}"


def play(words: Sequence[str], out: Path | None, folder: Path | None, seed: int, speed: float, host: str, port: int) -> str:
    """Let a person act in the environment that the settings `words` choose; a sentence on what was kept in `out`.

    `folder` has groups of settings of one's own. It goes on until it is interrupted. Raises UserError where the environment
    cannot be drawn or has no keys, and where `out` holds other demonstrations.
    """
    settings = train.compose(words, folder, "rlhp play")
    film.without_screen()
    drawing = film.drawing(settings)
    env = train.environment(settings, n_envs=1, seed=seed, render=True)
    out = out or Path("demonstrations") / f"play-{env.task}"
    kept = demonstrations.kept(out, env)
    with closing(env), drawing.clip_renderer(SIZE) as shoot:
        keys, clock = keyboard(env, settings.get("keyboard")), Clock(seconds(env, drawing))
        clock.pace(speed)
        with closing(Stage(_facts(settings, env, keys), host, port)) as stage:
            print(f"Play {env.task} at\n  {stage.page.address()}\nCtrl-C ends it.", flush=True)
            session = Session(env, keys, Look(env, shoot), stage, clock, _keeper(out, env, settings), kept)
            try:
                session.run()
            except KeyboardInterrupt:
                session.end()
                return _told(session, out)
    return ""


def _keeper(out: Path, env: Any, settings: Mapping[str, Any]) -> Callable[[Episode], int]:
    spec, about = one.spec(settings, env.horizon), f"a person, who acted in env={env.task} by keyboard"
    return lambda episode: demonstrations.append(out, episode, env, spec, description=about, algorithm_name="play")


def _facts(settings: Mapping[str, Any], env: Any, keys: Keyboard) -> dict[str, Any]:
    """What the page is told once."""
    return {
        "title": "Play",
        "task": env.task,
        "instructions": INSTRUCTIONS,
        "keys": keys.legend(),
        "orders": ORDERS,
        "paced": True,
    }


def _told(session: Session, out: Path) -> str:
    if not session.kept_steps:
        return "nothing was kept"
    return f"{out}: {_steps(session.kept_steps)} kept now, {_episodes(session.kept)} in all; learn from them with demos={out}"
