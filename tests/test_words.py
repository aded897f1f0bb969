"""What people type as settings, and what Hydra is given."""

from __future__ import annotations

import shlex

import pytest

from rlhp.train.overrides import normalise_overrides, parse_override
from rlhp.types import UserError


def value(word: str) -> object:
    (given,) = normalise_overrides([word])
    override = parse_override(given)
    assert override is not None and not override.is_sweep_override()
    return override.value()


@pytest.mark.parametrize(
    "text",
    ["Don't fall, run", "Run, then stop", "what (now)?", 'say "go"', "[look]", "5", "a=b; c", "the last \\", "läuft er?", "Run!"],
)
def test_instructions_are_any_text(text):
    assert value(f"instructions={text}") == text


def test_instructions_that_are_quoted_for_hydra_stay():
    assert normalise_overrides(["instructions='Run, then stop'", "instructions=null"]) == [
        "instructions='Run, then stop'",
        "instructions=null",
    ]


@pytest.mark.parametrize(
    "word", ["env=hopper", "seed=1,2,3", "agent.policy=[64, 64]", "x=range(1,3)", "name=a b", "hopper", "~env"]
)
def test_what_hydra_reads_is_left_as_it_is(word):
    assert normalise_overrides([word]) == [word]


@pytest.mark.parametrize("folder", ["agent.gamma=0.9,env=point,seed=1", "a b", "a:b", "it's, (a) run"])
def test_a_path_that_exists_is_taken_for_one(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / folder).mkdir(parents=True)
    assert value(f"teacher.run=runs/{folder}") == f"runs/{folder}"


def test_a_sweep_over_paths_with_commas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        (tmp_path / f"env=point,seed={seed}").mkdir()
    (given,) = normalise_overrides(["x=env=point,seed=1,env=point,seed=2"])
    override = parse_override(given)
    assert override is not None and list(override.sweep_string_iterator()) == ["'env=point,seed=1'", "'env=point,seed=2'"]


def test_a_value_that_may_be_two_things_is_refused_with_the_line_to_type():
    for words in (["x=[64,64"], ["-m", "x=a=1,b=2"]):
        with pytest.raises(UserError, match="quote it") as refused:
            normalise_overrides(words)
        (right,) = shlex.split(str(refused.value).rpartition("Hydra: ")[2])
        assert parse_override(right) is not None


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("env.kwargs.x", "++"),
        ("agent.policy_kwargs.ortho_init", "++"),
        ("tracker.mode", "++"),
        ("agent.n_stepz", ""),
        ("+env.kwargs.x", ""),
    ],
)
def test_keys_of_open_dictionaries_need_no_plus(key, given):
    assert normalise_overrides([f"{key}=1"]) == [f"{given}{key}=1"]


def test_settings_may_stand_on_both_sides_of_flags():
    assert normalise_overrides(["a=1", "--config-dir", "x=y", "b=2", "-m", "c=3"]) == [
        "a=1",
        "b=2",
        "c=3",
        "--config-dir",
        "x=y",
        "-m",
    ]


def test_a_value_without_a_key_is_no_setting():
    with pytest.raises(UserError, match="KEY=VALUE"):
        normalise_overrides(["=3"])


def test_keys_of_ones_own_are_let_in() -> None:
    assert normalise_overrides(["keyboard.ArrowLeft.action=0"]) == ["++keyboard.ArrowLeft.action=0"]
