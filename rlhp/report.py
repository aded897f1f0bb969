"""Results of a run: true return, video of the policy, datasets, and the report at the end of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from rlhp import analysis, answers, demonstrations, evaluate, film, store, train
from rlhp.envs import one
from rlhp.run import read_settings
from rlhp.types import Array, Demonstrations, Episode, Segment, UserError

STORE = "preferences.sqlite"


def returns(run: Path, episodes: int, seed: int, max_steps: int = evaluate.MAX_STEPS, deterministic: bool | None = None) -> str:
    """Return a sentence on the true return of a run's policy; an episode may have up to `max_steps` steps.

    `deterministic`: see `acting`. Raises UserError if the policy cannot be loaded, or episodes do not end.
    """
    trained = train.load(run)
    env = trained.make_env(max(1, min(episodes, 10)), seed)
    try:
        policy, how = acting(trained, env, seed, deterministic)
        values = evaluate.returns(policy, env, episodes, max_steps)
    finally:
        env.close()
    spread = f"standard deviation {values.std():.1f}, from {values.min():.1f} to {values.max():.1f}"
    return f"true return over {len(values)} episode{'s' if len(values) > 1 else ''}, {how}: mean {values.mean():.1f}, {spread}"


def acting(trained: train.Trained, env: Any, seed: int, deterministic: bool | None = None) -> tuple[evaluate.Policy, str]:
    """Return a run's policy for evaluation, and a description of how it acts.

    A deterministic policy takes the mode of its distribution; otherwise actions are sampled with `seed`. `deterministic` None:
    `evaluate.by_mode` decides.
    """
    chosen = evaluate.by_mode(env.action_space) if deterministic is None else deterministic
    torch.manual_seed(seed)
    return partial(trained.policy, deterministic=chosen), "deterministic policy" if chosen else "stochastic policy"


def score(run: Path) -> float:
    """Return the objective of a hyperparameter search: the final true return. Raises UserError if no episode has ended."""
    return analysis.final_return(analysis.load(run))


def film_policy(run: Path, out: Path, seconds: float = 10.0, seed: int = 10_000, deterministic: bool | None = None) -> Path:
    """Film `seconds` of simulated time of a run's policy and return the path; an .mp4 file holds h264, a .webm file vp9.

    `deterministic`: see `acting`. Raises UserError if there is no run, no OpenGL, or no renderer.
    """
    codec = {".mp4": "h264", ".webm": "vp9"}.get(out.suffix)
    if codec is None:
        raise UserError(f"a video cannot be written as {out.suffix or out}; name an .mp4 or a .webm file.")
    if seconds <= 0:
        raise UserError(f"{seconds:g} seconds cannot be filmed; give more than 0.")
    film.without_screen()  # for Gymnasium's own renderer
    try:
        return _film(train.load(run), out, codec, seconds, seed, deterministic)
    except UserError:
        raise
    except Exception as error:  # Gymnasium's renderer fails in many ways if OpenGL does not work
        if sentence := film.refused():
            raise UserError(sentence) from error
        raise


def _film(trained: train.Trained, out: Path, codec: str, seconds: float, seed: int, deterministic: bool | None) -> Path:
    drawing = film.find(trained.settings)
    if drawing is not None:
        drawing.check()
    env = trained.make_env(1, seed, render=drawing is None or "watched" in trained.settings["env"])
    try:
        policy, _ = acting(trained, env, seed, deterministic)
        if drawing is None:
            pictures, fps = _rendered(policy, env, seconds)
            return film.write(pictures, out, fps, codec)
        every, fps = film.frame_rate(drawing.dt)
        segments = evaluate.watch(policy, env, max(1, round(seconds / drawing.dt)))
        with drawing.clip_renderer(film.SIZE) as render:
            pictures = chain.from_iterable(_every(every, render, segment) for segment in segments)
            return film.write(pictures, out, fps, codec)
    finally:
        env.close()


def demonstrate(
    run: Path, out: Path, episodes: int, best_of: int | None, seed: int, max_steps: int, deterministic: bool | None = None
) -> str:
    """Record `episodes` episodes of a run's policy as a Minari dataset: the first ones, or the best of `best_of` by return.

    `deterministic`: see `acting`. Returns a sentence on what was recorded. Raises UserError if there is no run, `out` exists
    already, or too few episodes are complete.
    """
    recorded = best_of or episodes
    if not 1 <= episodes <= recorded:
        raise UserError(
            f"{episodes} episodes cannot be chosen from {recorded}; --episodes must be at least 1, and --best-of not smaller."
        )
    trained = train.load(run)
    env = trained.make_env(recorded, seed)
    try:
        policy, how = acting(trained, env, seed, deterministic)
        complete = demonstrations.record(policy, env, max_steps).episodes
        if len(complete) < episodes:
            raise UserError(
                f"{len(complete)} of {recorded} episodes are complete, too few for {episodes}; record more with --best-of."
            )
        best = sorted(complete, key=lambda e: -e.true_reward.sum()) if best_of else complete
        chosen = Demonstrations(tuple(best[:episodes]), getattr(env, "stack", 1))
        selection = f"the best {episodes} of {recorded} episodes by return" if best_of else f"{episodes} episodes as they came"
        about = f"{how} of a run on env={trained.settings['task']}, seed {trained.settings['seed']}; {selection}"
        named = one.spec(trained.settings, env.horizon)
        demonstrations.save(out, chosen, env, named, description=about, algorithm_name=str(trained.settings["condition"]))
    finally:
        env.close()
    found, steps = chosen.returns(), len(chosen.transitions())
    spread = f"from {found.min():.1f} to {found.max():.1f}"
    return f"{out}: {selection}, {steps:,} steps, {how}: mean true return {found.mean():.1f}, {spread}"


def export_minari(run: Path, out: Path) -> str:
    """Write the clips that a run asked about as a Minari dataset with one episode per clip, and return a sentence on it.

    A clip of L steps has L - 1 transitions, since it does not hold the observation after its last action. Rewards are the true
    rewards; if an imported dataset has none, they are written as 0, and the sentence says so. Spaces are those of the run's
    environment, or are inferred from the data. Raises UserError if there are no clips, clips have one step, or `out` exists
    already.
    """
    names = list(dict.fromkeys(name for _, clips in store.asked(run / STORE) for name in clips))
    if not names:
        raise UserError(f"{run} has asked nothing yet, so it has no clips; train it first.")
    (_, first), *_ = store.segments(run / STORE, names[:1])
    if len(first) < 2:
        raise UserError(f"the clips of {run} have one step each and thus no transitions, so there is nothing to write.")
    clips = (clip for _, clip in store.segments(run / STORE, names))
    lacking = "" if np.isfinite(first.true_reward).all() else "; their rewards are not known, and written as 0"
    about = f"the {len(names):,} clips that {run.name} asked about, one episode each{lacking}"
    with _spaces(run) as (env, spec):
        demonstrations.write(out, map(_transitions, clips), env, spec, description=about)
    return f"{out}: {about}, {len(names) * (len(first) - 1):,} transitions; minari calls it {demonstrations.dataset_id(out)}"


def _transitions(clip: Segment) -> Episode:
    """Convert a clip to an episode, without the last action, whose next observation is unknown."""
    return Episode(clip.obs[len(clip.obs) - len(clip) :], clip.act[:-1], np.nan_to_num(clip.true_reward[:-1]))


@dataclass(frozen=True, slots=True)
class _Inferred:
    """The task and the spaces of an environment, inferred from data."""

    task: str
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]


@contextmanager
def _spaces(run: Path) -> Iterator[tuple[Any, Any]]:
    """Yield an object with the task and the spaces of a run, and the environment's spec; the spec is None if it is unknown."""
    if not (run / "config.yaml").is_file():
        given = answers.load(run)
        yield _Inferred(run.name, given.observation_space(), given.action_space()), None
        return
    settings = read_settings(run)
    env = train.environment(settings, n_envs=1, seed=0)
    try:
        yield env, one.spec(settings, env.horizon)
    finally:
        env.close()


def _every(n: int, render: Callable[[Segment], Iterator[Array]], segment: Segment) -> Iterator[Array]:
    """Return the pictures of every n-th step; the others are not rendered if each step has its own state."""
    obs, act, reward, state = segment.obs, segment.act, segment.true_reward, segment.state
    if state is not None and len(state) < len(act):
        return islice(render(segment), 0, None, n)
    return render(Segment(obs[::n], act[::n], reward[::n], None if state is None else state[::n]))


def _rendered(policy: evaluate.Policy, env: Any, seconds: float) -> tuple[Iterator[Array], Fraction]:
    """Return the environment's own pictures of the policy, and the frames per second."""
    dt = 1 / getattr(env, "metadata", {}).get("render_fps", 30)
    every, fps = film.frame_rate(dt)
    pictures = evaluate.pictures(policy, env, max(1, round(seconds / dt)))
    return islice(pictures, 0, None, every), fps


def fit_score(run: Path) -> float:
    """Return the objective of a search over fits: the held-out accuracy. Raises UserError if no answers were held out."""
    return analysis.heldout_accuracy(run)


def print_fit_report(run: Path) -> None:
    """Print a summary of a fit, and the path of its learning curves."""
    print("\n" + analysis.fit_summary(run) + "\n")
    print(analysis.fit_png(run, run / "fit.png"))


def print_report(run: Path) -> None:
    """Print a short table on a run, and the paths of its plots and, if its settings enable one, its video."""
    print("\n" + analysis.summary(analysis.load(run)) + "\n")
    settings, made, failed = read_settings(run), [analysis.curve_png(run, run / "curve.png")], []
    optional: list[tuple[str, Callable[[], Path]]] = []
    if (run / "heldout.csv").is_file() and settings.get("labels"):
        optional.append(("picture of r-hat", lambda: analysis.reward_png(run, run / "reward.png")))
    if settings.get("video"):
        optional.append(("video", lambda: film_policy(run, run / "policy.mp4")))
    for name, make in optional:
        try:
            made.append(make())
        except UserError as error:  # training has succeeded: a plot or video that cannot be made is no reason to fail
            failed.append(f"no {name}: {error}")
    print("\n".join([*map(str, made), *failed]))
