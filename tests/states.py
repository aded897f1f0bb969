"""Snapshots of a state: whether two are the same, and whether what is restored from one goes on as the other does."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rlhp.envs.gym import resume
from rlhp.types import Array, Comparisons, Evidence, Rollout


def same(one: Mapping[str, Array], two: Mapping[str, Array]) -> bool:
    """Whether two snapshots hold the same arrays; NaN equals NaN."""
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k], equal_nan=one[k].dtype.kind == "f") for k in one)


def check_model_goes_on(
    make: Callable[[], Any], first: Comparisons, asked: Comparisons, gradient_steps: tuple[int, int], seen: Rollout
) -> None:
    """A reward model restored from the snapshot of another after a first fit ends a second fit with the same numbers."""
    one, two = make(), make()
    one.fit(Evidence(first), gradient_steps[0])
    saved = one.snapshot()
    kept = {name: array.copy() for name, array in saved.items()}
    metrics = one.fit(Evidence(asked), gradient_steps[1])
    assert same(saved, kept), "a snapshot holds copies"
    two.restore(saved)
    assert two.fit(Evidence(asked), gradient_steps[1]) == metrics and same(one.snapshot(), two.snapshot()) and same(saved, kept)
    assert np.array_equal(one(seen), two(seen))


def check_environment_goes_on(env: Any, other: Any, acts: Array) -> None:
    """An environment into which the state of another is loaded halfway through these actions [T, *A] goes on as it does."""
    env.reset(seed=3)
    half = len(acts) // 2
    for action in acts[:half]:
        env.step(action)
    resume.load(other, resume.save(env, resume.built(env)))
    for action in acts[half:]:
        one, two = env.step(action), other.step(action)
        assert np.array_equal(one[0], two[0]) and one[1] == two[1]
    assert np.array_equal(env.reset()[0], other.reset()[0]), "the random stream goes on as well"


def starts_by_seed(env: Any, other: Any) -> list[Array]:
    """First observations under seed 1, of the next episode, and under seed 2; another environment has the same."""
    starts = [env.reset(seed=1)[0], env.reset()[0], env.reset(seed=2)[0]]
    assert np.array_equal(starts[0], other.reset(seed=1)[0]) and np.array_equal(starts[1], other.reset()[0])
    return starts
