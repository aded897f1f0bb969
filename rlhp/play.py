"""`rlhp play`: a person acts in an environment in the browser, and the episodes that they keep become demonstrations."""

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

SIZE = 400  # approximate size of the pictures in pixels
INSTRUCTIONS = (
    "You control the agent, at the environment's own speed. An episode that you keep is saved at once, as a demonstration from "
    "which a policy can learn; you can keep an episode before it ends. What the learner does not see, such as a game's score, is "
    "hidden from you too."
)
ORDERS = [
    PAUSE,
    {"order": "keep", "label": "Keep the episode", "code": "KeyK", "phases": ["paused", "over"]},
    {"order": "discard", "label": "Discard it", "code": "KeyX", "phases": ["paused", "over"]},
]


class Session:
    """A person in one environment, with episodes that are started, paused, kept or discarded.

    `keep` saves an episode and returns the total number of saved ones; `kept` were saved before.
    """

    def __init__(
        self, env: Any, keys: Keyboard, look: Look, stage: Stage, clock: Clock, keep: Callable[[Episode], int], kept: int = 0
    ) -> None:
        self._env, self._keys, self._look, self._stage, self._clock, self._keep = env, keys, look, stage, clock, keep
        self._phase, self._news, self.kept, self.kept_steps = "ready", "", kept, 0
        self._acted, self._drawn = 0, 0.0
        self._start_episode()

    def run(self) -> None:
        """Run until interrupted."""
        while True:
            self.turn()

    def end(self) -> None:
        """Tell the page that the session has ended."""
        self._phase = "finished"
        self._show(None)

    def turn(self) -> None:
        """Wait for an order of the page or for the time of the next step, and execute it."""
        wait = self._clock.wait(self._changed()) if self._phase == "playing" else IDLE
        for order in self._stage.wait(wait):
            self._obey(order)
        if self._phase == "playing" and self._clock.wait(self._changed()) <= 0:
            self._step()

    def _changed(self) -> bool:
        return self._stage.pressed.n != self._acted

    def _start_episode(self) -> None:
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
                self._news = f"An episode of {_steps(len(self._tape))} was discarded."
                self._start_episode()
            case "speed", _:
                self._clock.pace(order.value)
        self._show(None)

    def _keep_episode(self) -> None:
        steps = len(self._tape)
        self.kept = self._keep(self._tape.episode())
        self.kept_steps += steps
        self._news = f"An episode of {_steps(steps)} is kept."
        self._start_episode()

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
        say, go = TEXTS[self._phase]
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


TEXTS = {  # the text of the page and of its button, if any, by phase
    "ready": ("A new episode. The keys are below the picture.", "Start"),
    "playing": ("", ""),
    "paused": ("Paused.", "Continue"),
    "finished": ("The session has ended. The episodes that you kept are saved.", ""),
    "over": ("The episode is over. Keep it as a demonstration, or discard it.", ""),
}


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"


def _episodes(count: int) -> str:
    return f"{count} episode{'' if count == 1 else 's'}"


def play(words: Sequence[str], out: Path | None, folder: Path | None, seed: int, speed: float, host: str, port: int) -> str:
    """Let a person act in the environment of the settings `words`; returns a sentence on what was kept in `out`.

    `folder` contains the user's own groups of settings. Runs until interrupted. Raises UserError if the environment cannot be
    rendered or has no keys, and if `out` contains other demonstrations.
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
                return _summary(session, out)
    return ""


def _keeper(out: Path, env: Any, settings: Mapping[str, Any]) -> Callable[[Episode], int]:
    spec, about = one.spec(settings, env.horizon), f"a person, who acted in env={env.task} by keyboard"
    return lambda episode: demonstrations.append(out, episode, env, spec, description=about, algorithm_name="play")


def _facts(settings: Mapping[str, Any], env: Any, keys: Keyboard) -> dict[str, Any]:
    """The constant facts that the page shows."""
    return {
        "title": "Play",
        "task": env.task,
        "instructions": INSTRUCTIONS,
        "keys": keys.legend(),
        "orders": ORDERS,
        "paced": True,
    }


def _summary(session: Session, out: Path) -> str:
    if not session.kept_steps:
        return "nothing was kept"
    return f"{out}: {_steps(session.kept_steps)} kept now, {_episodes(session.kept)} in all; learn from them with demos={out}"
