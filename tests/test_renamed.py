"""Old names of settings, choices and commands keep working, and the user is told the new ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import hydra
import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

from rlhp import cli, renamed
from rlhp.run import read_settings
from rlhp.train.folders import job_folder
from rlhp.train.overrides import normalise_overrides
from rlhp.train.settings import check_names
from rlhp.types import UserError


def compose(words: list[str]) -> DictConfig:
    """The settings of `rlhp train`, unresolved."""
    with hydra.initialize_config_module("rlhp.conf", version_base="1.3"):
        return hydra.compose("config", words)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max_open=5", "max_pending=5"),
        ("++restarts.after=100", "++early_resets.interval=100"),
        ("effort.per_1000_steps=8", "training_schedule.per_1000_steps=8"),
        ("query.clips_per_label=1,2", "query.min_segments_per_label=1,2"),
        ("credit=arrival,departure", "reward_input=next_obs,obs"),
        ("reward_model/inputs=alike", "reward_model/input_scaling=unit"),
        ("reward_model.penalty.initial=0.5", "reward_model.regulariser.initial=0.5"),
        ("reward_model/augment=whole", "reward_model/augment=none"),
        ("agent/explore=state_entropy", "agent/intrinsic_reward=state_entropy"),
        ("agent.explore.neighbours=3", "agent.intrinsic_reward.neighbours=3"),
        ("hydra/launcher=local", "hydra/launcher=joblib"),
        ("hydra/sweeper=search", "hydra/sweeper=optuna_tpe"),
    ],
)
def test_an_old_name_on_the_command_line(old: str, new: str, capsys: pytest.CaptureFixture) -> None:
    assert normalise_overrides([old]) == [new]
    assert capsys.readouterr().err == f"rlhp: {old} is now called {new}; the old name works until version 2.\n"
    assert normalise_overrides([new]) == [new] and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["max_open=2", "max_pending=3"], "max_open and max_pending"),
        (["early_resets.interval=2", "env=point", "++restarts.after=3"], "restarts.after and early_resets.interval"),
        (["reward_model/inputs=unit", "reward_model/input_scaling=unit"], "reward_model/inputs and reward_model/input_scaling"),
    ],
)
def test_a_setting_under_both_of_its_names_is_refused(words: list[str], names: str) -> None:
    with pytest.raises(UserError, match=f"^{names} are the same setting under its old and its current name; give it once"):
        normalise_overrides(words)


def test_an_old_value_of_a_setting_may_be_given_again(capsys: pytest.CaptureFixture) -> None:
    assert normalise_overrides(["reward_input=arrival", "reward_input=obs"]) == ["reward_input=next_obs", "reward_input=obs"]


def test_what_only_looks_like_an_old_name_stays(capsys: pytest.CaptureFixture) -> None:
    words = ["env=hopper", "agent.learning_rate.start=0.1", "teacher=local", "name=whole", "~max_opens", "instructions=credit"]
    assert [renamed.override(word) for word in words] == words


def test_the_settings_of_an_earlier_run_are_read_by_their_present_names(tmp_path: Path) -> None:
    earlier = {
        "max_open": 3,
        "credit": "arrival",
        "restarts": {"after": 100, "share": 0.75},
        "effort": {"_target_": "rlhp.schedule.PerStep", "per_1000_steps": 4.0},
        "agent": {"explore": None, "reward_level": 1.0, "policy_kwargs": {"explore": 1}},
        "reward_model": {
            "penalty": {"_target_": "rlhp.reward.NoPenalty"},
            "inputs": {"_target_": "rlhp.reward.lasting", "_partial_": True},
            "credit": "departure",
            "average_over": 0.05,
        },
        "query": {"clips_per_label": 4},
        "env": {"wrappers": [{"module.Class": {"credit": 1}}]},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(earlier))
    now = read_settings(tmp_path)
    assert {key: now[key] for key in ("max_pending", "reward_input", "early_resets")} == {
        "max_pending": 3,
        "reward_input": "next_obs",
        "early_resets": {"interval": 100, "fraction": 0.75},
    }
    assert now["training_schedule"] == {"_target_": "rlhp.schedule.GradientStepsPerStep", "per_1000_steps": 4.0}
    assert now["agent"] == {"intrinsic_reward": None, "reward_shift": 1.0, "policy_kwargs": {"explore": 1}}
    assert now["reward_model"] == {
        "regulariser": {"_target_": "rlhp.reward.NoRegularisation"},
        "input_scaling": {"_target_": "rlhp.reward.between_clip_variance", "_partial_": True},
        "reward_input": "obs",
        "ema_window": 0.05,
    }
    assert now["query"] == {"min_segments_per_label": 4}
    assert now["env"] == {"wrappers": [{"module.Class": {"credit": 1}}]}


@pytest.mark.parametrize(
    ("mine", "sentence"),
    [
        ({"max_open": 5}, "max_open is now called max_pending: rename it in your yaml."),
        ({"restarts": {"after": 100}}, "restarts is now called early_resets: rename it in your yaml."),
        ({"query": {"clips_per_label": 1}}, "query.clips_per_label is now called query.min_segments_per_label"),
        ({"totl_steps": 3}, "there is no setting totl_steps, and no other setting refers to it; the nearest are total_steps"),
    ],
)
def test_a_yaml_of_ones_own_with_a_name_that_nothing_reads_is_refused(mine: dict[str, Any], sentence: str) -> None:
    composed = compose(["env=point"])
    check_names(composed)
    with pytest.raises(UserError, match=re.escape(sentence)):
        check_names(OmegaConf.merge(OmegaConf.create(OmegaConf.to_container(composed)), mine))


def test_a_yaml_of_ones_own_may_have_settings_that_others_refer_to() -> None:
    check_names(
        OmegaConf.create({"budget": 3, "answers": {"few": 10}, "labels": "${answers.few}", "seed": "${times:${budget},2}"})
    )


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("override /agent/explore: state_entropy", "agent/explore is now called agent/intrinsic_reward: rename it in your yaml."),
        ("/agent/explore: state_entropy", "agent/explore/state_entropy is now called agent/intrinsic_reward/state_entropy"),
        ("override /reward_model/augment: whole", "reward_model/augment/whole is now called reward_model/augment/none"),
        ("override /agent/explorer: state_entropy", "there is no setting agent/explorer; the nearest are"),
    ],
)
def test_a_yaml_of_ones_own_with_the_old_name_of_a_group(
    entry: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\ndefaults:\n  - {entry}\n")
    assert cli.main(["train", "--config-dir", str(tmp_path), "experiment=mine", "--cfg", "job"]) == 2
    assert capsys.readouterr().err.startswith(f"rlhp: {sentence}")


def test_a_sweep_that_began_under_an_old_name_goes_on_in_its_folders(tmp_path: Path) -> None:
    words = ["max_pending=3", "seed=1", "reward_input=next_obs"]
    assert job_folder(str(tmp_path), words, ["seed"]) == "max_pending-3__reward_input-next_obs"
    begun = tmp_path / "credit-arrival__max_open-3" / "config.yaml"
    begun.parent.mkdir()
    begun.touch()
    assert job_folder(str(tmp_path), words, ["seed"]) == begun.parent.name


@pytest.mark.parametrize(("old", "new"), renamed.COMMANDS.items())
def test_an_old_command(old: str, new: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main([old, str(tmp_path / "no")]) == 2
    told = capsys.readouterr().err
    assert f"rlhp {old} is now called rlhp {new}" in told and str(tmp_path / "no") in told


def test_every_present_name_is_one(capsys: pytest.CaptureFixture) -> None:
    """A chain of renamings would leave an old name half way."""
    for names in (renamed.SETTINGS, renamed.GROUPS, renamed.TARGETS, renamed.COMMANDS, *renamed.VALUES.values()):
        assert not set(names) & set(names.values())
