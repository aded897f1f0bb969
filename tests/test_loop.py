"""The loop with fakes: who is called, in which order, and with what."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from rlhp.loop import learn
from rlhp.types import Answer, Array, Clips, Comparisons, Evidence, Query, Rollout, Segment

STEPS = 4  # of a rollout


NO_CLIPS = Clips(np.zeros((0, 1, 1)), np.zeros((0, 1, 1)), np.zeros((0, 1)))


def since(steps: dict[int, int], step: int) -> int:
    """What holds at `step`, given from which step on each number holds."""
    return steps[max(first for first in steps if first <= step)]


class Everything:
    """One object in every part's place: a list of what happened, and the numbers each part was given."""

    def __init__(self, levels: dict[int, int] | None = None, answers: int = 99, offered: dict[int, int] | None = None) -> None:
        self.levels, self.answers, self.offered = levels or {0: 2}, answers, offered or {0: 99}
        self.held, self.grows, self.differ = 5, 0, 1
        self.events: list[str] = []
        self.warned: list[str] = []
        self.num_timesteps = self.asked = self.answered = self.used = self.trained = 0
        self.rewards: list[Array] = []
        self.logged: dict[int, dict[str, float]] = {}

    def rollouts(self, total_steps: int) -> Iterator[Rollout]:
        while self.num_timesteps < total_steps:
            self.num_timesteps += STEPS
            self.events.append("act")
            true_reward = np.full((STEPS, 1), -99.0)
            yield Rollout(true_reward, true_reward, true_reward, true_reward < 0, None, np.array([-99.0 * STEPS]))

    def update(self, reward: Array) -> dict[str, float]:
        self.events.append("update")
        self.rewards.append(reward)
        return {"policy_loss": 1.0}

    def __len__(self) -> int:
        return self.held

    @property
    def heldout(self) -> list[Segment]:
        return []

    def add(self, rollout: Rollout) -> None:
        self.events.append("add")
        self.held += self.grows

    def select(self, memory: object, n: int, reward: object, step: int) -> list[tuple[Segment, ...]]:
        self.events.append(f"select {n}")
        clip = Segment(*[np.zeros((2, 1))] * 3, None)
        return [(clip, clip)] * min(n, since(self.offered, step))

    def ask(self, questions: Sequence[tuple[Segment, ...]], step: int) -> None:
        self.asked += len(questions)

    def unanswered(self) -> list[Query]:
        return [Query(i, (), 0) for i in range(self.answered, self.asked)]

    def teacher(self, queries: Sequence[Query], step: int) -> dict[int, Answer]:
        return {query.id: Answer((0, 1)) for query in queries[: self.answers]}

    def answer(self, answers: dict[int, Answer]) -> None:
        self.events.append(f"answer {len(answers)}")
        self.answered += len(answers)

    def wait(self, max_pending: int | None) -> None:
        self.events.append(f"wait {max_pending}")

    def settle(self) -> None:
        self.events.append("settle")

    def collect(self, step: int) -> Comparisons:
        self.used = self.answered
        zero = np.zeros(self.used)
        shown, ranks = np.zeros((self.used, 2)), np.tile([0, self.differ], (self.used, 1))
        return Comparisons(NO_CLIPS, shown, ranks, zero, zero)

    def schedule(self, step: int) -> int:
        return since(self.levels, step)

    def training_schedule(self, step: int, labels: int) -> int:
        return 1000 * labels + step

    def begin(self, evidence: Evidence, gradient_steps: int) -> None:
        self.events.append(f"fit {len(evidence.comparisons)} to {gradient_steps}")
        self.trained = len(evidence.comparisons)

    def fitted(self) -> dict[str, float]:
        return {"train_loss": 0.5} if self.trained else {}

    def __call__(self, rollout: Rollout) -> Array:
        """The reward: as many as it was fitted to."""
        self.events.append("reward")
        return np.full(rollout.true_reward.shape, float(self.trained))

    def warn(self, topic: str, text: str) -> None:
        self.warned += [f"{topic}: {text}"] if text else []

    def log(self, step: int, metrics: dict[str, float]) -> None:
        self.logged.setdefault(step, {}).update(metrics)

    def end_step(self, step: int) -> None:
        self.events.append(f"end_step {step}")


class Late:
    """The teacher, who answers as training goes on."""

    needs_time = True

    def __init__(self, parts: Everything) -> None:
        self._parts = parts

    def __call__(self, queries: Sequence[Query], step: int) -> dict[int, Answer]:
        return self._parts.teacher(queries, step)


def run(parts: Everything, total_steps: int, max_pending: int | None = 0, late: bool = False) -> Everything:
    p = parts
    teacher = Late(p) if late else p.teacher
    learn(p, p, p.select, teacher, p, p, p.schedule, p.training_schedule, p, total_steps=total_steps, max_pending=max_pending)  # type: ignore[arg-type]
    return parts


def test_a_round_is_the_papers_figure() -> None:
    events = run(Everything(levels={0: 2, 4: 5}), 8).events
    first = ["act", "add", "select 2", "answer 2", "wait 0", "reward", "fit 2 to 2004", "end_step 4"]
    second = ["act", "add", "select 3", "answer 3", "wait 0", "reward", "fit 5 to 5008", "update", "end_step 8"]
    assert events == first + second


def test_the_policy_is_not_updated_before_the_initial_labels_are_fitted() -> None:
    parts = run(Everything(levels={0: 3}, answers=1), 5 * STEPS)
    assert "".join(name[0] for name in parts.events if name.startswith(("update", "end_step"))) == "eeeueue"


def test_the_first_questions_are_the_initial_ones_whenever_they_come() -> None:
    """Memory holds enough only later, when the schedule has moved on: it must not raise the number it waits for."""
    parts = Everything(levels={0: 2, 4: 5, 8: 7}, offered={0: 0, 12: 99})
    parts.grows = 1
    events = run(parts, 4 * STEPS).events
    wanted = [name for name in events if name.startswith("select")]
    assert wanted == ["select 2", "select 2", "select 2", "select 5"]


def test_a_schedule_without_initial_labels_still_asks() -> None:
    parts = run(Everything(levels={0: 0, 8: 1, 12: 3}), 3 * STEPS)
    assert [name for name in parts.events if name.startswith("select")] == ["select 1", "select 2"]
    assert parts.events.count("update") == 3


def test_what_could_not_be_asked_is_asked_later() -> None:
    parts = run(Everything(levels={0: 2, 8: 6}, offered={0: 1}), 5 * STEPS)
    assert [name for name in parts.events if name.startswith("select")] == [f"select {n}" for n in (2, 1, 4, 3, 2)]
    assert parts.asked == 5


def test_a_fit_goes_on_beside_the_update_so_its_reward_is_the_next_rollouts() -> None:
    parts = run(Everything(levels={0: 1, 8: 4, 12: 9}), 4 * STEPS)
    assert [float(reward.mean()) for reward in parts.rewards] == [1.0, 4.0, 9.0]


def test_the_true_reward_reaches_the_log_and_not_the_policy() -> None:
    parts = run(Everything(), 3 * STEPS)
    assert len(parts.rewards) == 2
    assert all((reward == 2.0).all() and reward.shape == (STEPS, 1) for reward in parts.rewards)
    assert parts.logged[4]["true_return"] == -99.0 * STEPS and parts.logged[4]["true_reward"] == -99.0


def test_without_labels_the_policy_learns_from_the_first_rollout() -> None:
    parts = run(Everything(levels={0: 0}), 2 * STEPS)
    assert parts.events.count("update") == 2 and parts.asked == 0


def test_every_round_logs_what_each_part_says() -> None:
    parts = run(Everything(), 2 * STEPS)
    assert sorted(parts.logged) == [4, 8]
    assert {"asked": 2, "labels": 2, "train_loss": 0.5, "policy_loss": 1.0, "reward_mean": 2.0}.items() <= parts.logged[8].items()


@pytest.mark.parametrize(("total", "rounds"), [(0, 0), (1, 1), (STEPS, 1), (STEPS + 1, 2), (10 * STEPS, 10)])
def test_it_ends_with_the_first_rollout_that_reaches_the_total(total: int, rounds: int) -> None:
    parts = run(Everything(), total)
    assert parts.num_timesteps == rounds * STEPS and Counter(parts.events)["act"] == rounds


def waits(parts: Everything) -> list[str]:
    return [name.removeprefix("wait ") for name in parts.events if name.startswith("wait")]


@pytest.mark.parametrize("max_pending", [0, 20, None])
def test_waiting_is_left_to_the_store(max_pending: int | None) -> None:
    """For nobody before there are questions; for every answer to the first ones and, at the end, to all."""
    parts = Everything(levels={0: 2, 12: 5}, offered={0: 0, 8: 99})
    assert waits(run(parts, 5 * STEPS, max_pending)) == [str(max_pending), "0", str(max_pending), str(max_pending), "0"]


def test_nobody_waits_for_a_teacher_who_needs_time() -> None:
    assert waits(run(Everything(), 3 * STEPS, max_pending=None, late=True)) == ["None"] * 3


def test_an_interrupt_ends_the_waiting_for_the_last_answers_and_no_other() -> None:
    class Impatient(Everything):
        stop = 2 * STEPS

        def wait(self, max_pending: int | None) -> None:
            super().wait(max_pending)
            if self.num_timesteps == self.stop:
                raise KeyboardInterrupt

    events = run(Impatient(), 2 * STEPS).events
    assert events[-1] == f"end_step {2 * STEPS}" and events.count("settle") == 1
    with pytest.raises(KeyboardInterrupt):
        run(Impatient(), 3 * STEPS)


def test_the_first_fit_is_due_when_the_initial_labels_are_in() -> None:
    parts = run(Everything(levels={0: 3}, answers=1), 4 * STEPS)
    fits = [name for name in parts.events if name.startswith("fit")]
    assert fits == ["fit 1 to 0", "fit 2 to 0", "fit 3 to 3012", "fit 3 to 3016"]


def test_while_memory_grows_the_first_questions_come_at_once_and_later_ones_as_memory_can_carry_them() -> None:
    class Carries(Everything):
        """As many questions as memory holds clips, or none."""

        def select(self, memory: object, n: int, reward: object, step: int) -> list[tuple[Segment, ...]]:
            return super().select(memory, n, reward, step) if n <= self.held else []

    parts = Carries(levels={0: 7, 12: 40})
    parts.grows = 1
    run(parts, 6 * STEPS)
    # 6 clips are too few for 7 questions; then 33 more are wanted: 8, 9, 10 and, of the 6 that are left, 6
    assert [name for name in parts.events if name.startswith("select")] == [
        *("select 7", "select 8", "select 6", "select 9", "select 10")
    ]
    assert parts.asked == 40


def test_a_memory_that_grows_no_more_is_asked_for_what_it_has() -> None:
    class Full(Everything):
        def select(self, memory: object, n: int, reward: object, step: int) -> list[tuple[Segment, ...]]:
            return super().select(memory, n, reward, step) if n <= 2 else []

    parts = run(Full(levels={0: 7}), 8 * STEPS)
    assert parts.asked == 7 and parts.events.count("update") > 0


def test_a_memory_without_clips_is_complained_of() -> None:
    parts = Everything(offered={0: 0})
    parts.held = 0
    (complaint,) = set(run(parts, 2 * STEPS).warned)
    assert complaint.startswith("clips: no clip fits") and "1 steps (median)" in complaint and "lower clip_steps" in complaint
    without = Everything(levels={0: 0})
    without.held = 0
    assert run(without, STEPS).warned == []  # nobody wants a label


def test_answers_that_prefer_nothing_are_complained_of() -> None:
    parts = Everything()
    parts.differ = 0
    assert "all 2 answers so far are 'equal'" in run(parts, STEPS).warned[0]
    assert run(Everything(), STEPS).warned == []


def test_steps_between_resets() -> None:
    cut = np.zeros((6, 2), bool)
    cut[1, 0] = cut[5, 0] = cut[2, 1] = True  # 2 and 4 steps; 3 and, to the end, 3
    rollout = Rollout(*[np.zeros((6, 2))] * 3, cut, None, np.zeros(0))
    assert rollout.between_resets() == 3.0
