"""Label levels against the paper's numbers, worked by hand."""

import pytest

from rlhp.schedule import Annealed, Constant, GradientStepsPerStep, NoLabels, SteadyGradientSteps, Upfront, steady_gradient_steps
from rlhp.types import UserError


@pytest.mark.parametrize(
    ("step", "labels"), [(0, 175), (1_000_000, 264), (2_000_000, 327), (5_000_000, 449), (10_000_000, 567), (20_000_000, 700)]
)
def test_annealed_follows_the_papers_rate(step: int, labels: int) -> None:
    assert Annealed(700, 20_000_000)(step) == labels
    assert Annealed(700, 20_000_000, c=2e6)(step) == labels


@pytest.mark.parametrize(("labels", "first"), [(350, 88), (700, 175), (1400, 350), (0, 0), (1, 0), (2, 1)])
def test_a_quarter_comes_first_rounded_half_up(labels: int, first: int) -> None:
    assert Annealed(labels, 1000)(0) == Constant(labels, 1000)(0) == first


def test_atari_numbers() -> None:
    schedule = Annealed(5500, 50_000_000, initial=500 / 5500)
    assert [schedule(t) for t in (0, 5_000_000, 10_000_000, 25_000_000, 50_000_000)] == [500, 1945, 2791, 4236, 5500]


def test_the_first_may_be_a_number_of_labels() -> None:
    """At most half of them: otherwise a small budget would leave nothing to ask about the policy."""
    assert [Annealed(labels, 100, first=500)(0) for labels in (5500, 3300, 400)] == [500, 500, 200]
    assert Constant(5500, 100, first=500)(50) == 3000
    with pytest.raises(UserError, match="first_labels is -1"):
        Constant(10, 10, first=-1)


@pytest.mark.parametrize("schedule", [Annealed(700, 1000), Constant(700, 1000), Upfront(700)])
def test_levels_never_fall_and_never_pass_the_total(schedule: Annealed | Constant | Upfront) -> None:
    levels = [schedule(step) for step in range(0, 3000, 7)]
    assert levels == sorted(levels)
    assert levels[-1] == schedule(1000) == 700


def test_a_shorter_run_keeps_the_shape() -> None:
    assert [Annealed(700, 20_000_000)(t * 1000) for t in range(0, 20_001, 500)] == [
        Annealed(700, 20_000)(t) for t in range(0, 20_001, 500)
    ]


def test_constant_is_linear_after_the_first() -> None:
    assert [Constant(100, 100, initial=0.2)(t) for t in (0, 50, 100, 200)] == [20, 60, 100, 100]


def test_no_labels() -> None:
    assert NoLabels()(0) == NoLabels()(10**9) == 0


def test_effort_waits_for_the_first_label() -> None:
    effort = GradientStepsPerStep(total_steps=10**6, first_per_1000_steps=1.0, per_1000_steps=2.5)
    assert [effort(0, 0), effort(10**6, 0), effort(0, 1), effort(1000, 1), effort(4000, 700)] == [0, 0, 1000, 1002, 1010]


def test_a_shortened_run_spends_as_great_a_part_of_its_effort_on_the_first_fit() -> None:
    first = [
        GradientStepsPerStep(total_steps=steps, first_per_1000_steps=0.5, per_1000_steps=4.0)(0, 1)
        for steps in (10**6, 10**5, 10)
    ]
    assert first == [500, 50, 1]


def test_values_out_of_range_are_refused_in_a_sentence() -> None:
    wrong = [
        lambda: Annealed(-1, 10),
        lambda: Annealed(10, 0),
        lambda: Annealed(10, 10, initial=1.1),
        lambda: Annealed(10, 10, c=0),
        lambda: Constant(10, 10, initial=float("nan")),
        lambda: Upfront(-1),
        lambda: GradientStepsPerStep(10, -1.0, 1.0),
        lambda: GradientStepsPerStep(10, 1.0, -1.0),
        lambda: GradientStepsPerStep(10, 1.0, float("inf")),
        lambda: GradientStepsPerStep(0, 1.0, 1.0),
    ]
    for build in wrong:
        with pytest.raises(UserError, match="give"):
            build()


def test_gradient_steps_of_a_model_that_learns_from_behaviour_wait_for_no_label():
    """8 of them for each rollout of 2048 steps at 4 in 1000; what else stands in the settings of `PerStep` says nothing."""
    for effort in (SteadyGradientSteps(4.0), steady_gradient_steps(4.0, total_steps=10**6, first_per_1000_steps=1.0)):
        assert [effort(2048 * i, labels=0) for i in range(4)] == [0, 8, 16, 24] and effort(2048, labels=99) == 8
    with pytest.raises(UserError, match="per_1000_steps"):
        steady_gradient_steps(-1.0)
