"""Which clips are compared: how many, when, and the most disputed first."""

import numpy as np
import pytest

from rlhp import preference
from rlhp.memory import Recent
from rlhp.query import Disagreement, Uniform
from rlhp.types import Array, Metrics, Rollout, Segment, Steps, UserError


class Members:
    """Three members that agree about a clip's return up to (k - 1) * the clip's own number: known disagreement."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, rollout: Rollout) -> Array:
        raise AssertionError("questions are chosen by the members apart")

    def predict_members(self, steps: Steps) -> Array:
        self.calls.append(len(steps))
        return np.stack([(k - 1) * steps.obs[..., 0] / steps.obs.shape[1] for k in range(3)])

    def fit(self, evidence: object, effort: int) -> Metrics:
        raise AssertionError("choosing questions trains nothing")


def memory_of(clips: int, length: int = 4) -> Recent:
    """Clip number c shows the observation c at every step; nothing is held out."""
    memory = Recent(length, clips, seed=0)
    for number in range(clips):
        obs = np.full((length, 1, 1), number, np.float32)
        memory.add(Rollout(obs, obs, obs[..., 0], np.zeros((length, 1), bool), None, np.zeros(0)))
    return memory


def numbers(questions: list[tuple[Segment, ...]]) -> list[tuple[int, ...]]:
    return [tuple(int(clip.obs[0, 0]) for clip in question) for question in questions]


@pytest.mark.parametrize("select", [Uniform(seed=0), Disagreement(seed=0)])
def test_nothing_is_asked_before_memory_holds_enough(select: Uniform | Disagreement) -> None:
    assert select(memory_of(39), 10, Members(), 0) == []
    assert len(select(memory_of(40), 10, Members(), 0)) == 10
    assert select(memory_of(40), 0, Members(), 0) == select(memory_of(40), -3, Members(), 0) == []
    assert select(Recent(4, 10, seed=0), 1, Members(), 0) == []


def test_more_clips_per_question_need_more_memory() -> None:
    select = Uniform(seed=0, clips=4)
    assert select(memory_of(79), 10, Members(), 0) == []
    assert [len(question) for question in select(memory_of(80), 10, Members(), 0)] == [4] * 10
    assert Uniform(seed=0, clips=4, min_segments_per_label=0)(memory_of(3), 1, Members(), 0) == []


@pytest.mark.parametrize("select", [Uniform(seed=0, clips=2), Disagreement(seed=0, clips=2), Disagreement(seed=0, clips=4)])
def test_the_panes_never_show_the_same_clip(select: Uniform | Disagreement) -> None:
    for step in range(50):
        for question in numbers(select(memory_of(8), 1, Members(), step)):
            assert len(set(question)) == select.clips


@pytest.mark.parametrize("select", [Uniform(seed=0), Disagreement(seed=0)])
def test_choice_is_a_function_of_seed_and_step(select: Uniform | Disagreement) -> None:
    memory = memory_of(60)
    again, later = select(memory, 5, Members(), 7), select(memory, 5, Members(), 8)
    assert numbers(select(memory, 5, Members(), 7)) == numbers(again) != numbers(later)


def test_the_most_disputed_candidates_are_asked_in_order() -> None:
    memory, n = memory_of(60), 5
    chosen = numbers(Disagreement(seed=0)(memory, n, Members(), 3))
    candidates = numbers(
        Uniform(seed=0)(memory, n * 10, Members(), 3) or Uniform(seed=0, min_segments_per_label=0)(memory, 50, Members(), 3)
    )
    # members predict differences of -d, 0 and d: their variance grows with |d|
    gaps = sorted({frozenset(pair): abs(pair[0] - pair[1]) for pair in candidates}.values(), reverse=True)
    assert [round(_variance(a - b), 6) for a, b in chosen] == [round(_variance(gap), 6) for gap in gaps[:n]]
    assert len(gaps) > 40


def _variance(gap: float) -> float:
    """Over the probabilities 1 - p, 1/2 and p."""
    p = 1 / (1 + np.exp(-gap))
    return float(np.var([1 - p, 0.5, p]))


def test_ties_fall_to_the_order_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preference, "disagreement", lambda sums: np.zeros(sums.shape[1]))
    memory = memory_of(60)
    drawn = Uniform(seed=0, min_segments_per_label=0)(memory, 50, Members(), 3)
    assert numbers(Disagreement(seed=0)(memory, 5, Members(), 3)) == numbers(drawn)[:5]


def test_a_disputed_question_is_not_asked_twice() -> None:
    for step in range(20):
        asked = numbers(Disagreement(seed=0, min_segments_per_label=2, candidates=50)(memory_of(6), 3, Members(), step))
        assert len({frozenset(pair) for pair in asked}) == len(asked) == 3


def test_each_clip_is_put_to_the_members_once_and_in_batches() -> None:
    members = Members()
    Disagreement(seed=0)(memory_of(400), 100, members, 0)
    assert sum(members.calls) <= 400 and max(members.calls) <= 256


def test_sums_reach_the_maths_as_members_questions_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Array] = []
    monkeypatch.setattr(preference, "disagreement", lambda sums: seen.append(sums) or np.arange(sums.shape[1], dtype=float))
    (question,) = numbers(Disagreement(seed=0, clips=3)(memory_of(60), 1, Members(), 0))
    (sums,) = seen
    assert sums.shape == (3, 10, 3)
    assert np.allclose(sums[:, -1], [[-c for c in question], [0, 0, 0], question])


def test_senseless_values_are_refused() -> None:
    for build in (
        lambda: Uniform(seed=0, clips=0),
        lambda: Uniform(seed=0, min_segments_per_label=-1),
        lambda: Disagreement(seed=0, clips=0),
        lambda: Disagreement(seed=0, candidates=0),
    ):
        with pytest.raises(UserError):
            build()
