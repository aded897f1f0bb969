"""Settings that follow the length of a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rlhp.analysis.settings import differing
from rlhp.length import discount, rules, segments_per_label, shift, trace, value
from rlhp.run import check_owner, create
from rlhp.run.data import _leaves
from rlhp.run.directory import read_settings
from rlhp.train.compose import compose
from rlhp.train.extend import _rules
from rlhp.types import UserError


@pytest.mark.parametrize(
    "steps, gamma, trace_, level, segments",
    [
        (1_000, 0.99, 0.95, -0.001, 1),
        (100_000, 0.99, 0.95, -0.1, 1),
        (250_000, 0.996, 0.98, -0.25, 2.5),  # horizons of 250 steps, and of 50
        (500_000, 0.998, 0.98, -0.5, 4),
        (1_000_000, 0.999, 0.98, -1, 4),
        (20_000_000, 0.999, 0.98, -1, 4),
    ],
)
def test_each_rule_reaches_its_number_with_the_length_of_the_run(steps, gamma, trace_, level, segments) -> None:
    assert discount(0.999, steps) == pytest.approx(gamma)
    assert trace(0.98, steps) == pytest.approx(trace_)
    assert shift(-1.0, steps) == pytest.approx(level)
    assert segments_per_label(4, steps, 60) == pytest.approx(segments)


def test_a_short_horizon_stays_as_it_is() -> None:
    assert discount(0.9, 1_000) == 0.9 and trace(0.8, 1_000) == 0.8
    assert segments_per_label(0.5, 20_000_000, 60) == 0.5


def test_the_recipes_are_those_of_a_million_steps_exactly() -> None:
    """No result of a run of that length changes: the numbers are equal bit for bit."""
    numbers = {"gamma": 0.999, "gae_lambda": 0.98, "reward_shift": -1.0}
    for steps in (1_000_000, 20_000_000):
        agent = compose(["env=swimmer", f"total_steps={steps}"])["agent"]
        assert {name: value(agent[name]) for name in numbers} == numbers
    assert value(compose(["env=walker"])["agent"]["reward_shift"]) == 2.0


def test_a_number_overrides_a_rule() -> None:
    settings = compose(["env=swimmer", "total_steps=1000", "agent.gamma=0.999", "query.min_segments_per_label=3"])
    assert settings["agent"]["gamma"] == 0.999 and settings["query"]["min_segments_per_label"] == 3
    assert dict(rules(settings)) == {"agent.gae_lambda": 0.95, "agent.reward_shift": -0.001}


def test_an_extended_run_says_which_settings_follow_its_length() -> None:
    short, longer = (compose(["env=swimmer", f"total_steps={steps}"]) for steps in (100_000, 200_000))
    said = list(_rules(short, cast(Any, SimpleNamespace(settings=longer)), 100_352))
    assert said[0].startswith(
        "agent.gamma follows the length of the run: it was 0.99 until step 100,352, and is 0.995 from there"
    )
    assert [sentence.split()[0] for sentence in said] == [
        "agent.gamma",
        "agent.gae_lambda",
        "agent.reward_shift",
        "query.min_segments_per_label",
    ]
    assert not list(_rules(short, cast(Any, SimpleNamespace(settings=short)), 100_352))


def test_a_rule_and_its_number_are_the_same_setting(tmp_path: Path) -> None:
    """So that runs of earlier versions continue, and are seeds of one condition with new ones."""
    wait = "query.min_segments_per_label"
    for name, words in {"rule": [], "number": [f"{wait}=4"], "other": [f"{wait}=3"]}.items():
        create(tmp_path / name, compose(["env=swimmer", *words]))
        (tmp_path / name / "metrics.csv").write_text("step\n")
    rule, number, other = (dict(_leaves(read_settings(tmp_path / name))) for name in ("rule", "number", "other"))
    assert differing([rule, number]) == [] and differing([rule, other]) == [wait]
    check_owner(tmp_path / "number", compose(["env=swimmer"]))
    with pytest.raises(UserError, match=rf"other settings \({wait}\)"):
        check_owner(tmp_path / "other", compose(["env=swimmer"]))
