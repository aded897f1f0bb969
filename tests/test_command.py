"""`rlhp train`: what Hydra composes, and what a user reads where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from traceback import format_exception

import pytest
import yaml
from hydra.core.plugins import Plugins

from rlhp.cli import main
from rlhp.types import UserError

TINY = [
    "env=point",
    "total_steps=512",
    "labels=8",
    "n_envs=2",
    "agent.n_steps=64",
    "agent.batch_size=64",
    "training_schedule.first_per_1000_steps=4",
]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ("env=hoper", "there is no env=hoper; the nearest are hopper"),
        ("labls=3", "there is no setting labls; the nearest are labels"),
        ("agent.n_stepz=3", "the nearest are agent.n_steps"),
        ("labels=-5", "labels is -5: give a whole number of at least 0"),
        ("labels=many", "labels is 'many': give a whole number"),
        ("env=gym", "env.id has no value; set it with env.id=..."),
        ("hopper", "give settings as KEY=VALUE"),
        ("agent/intrinsic_reward=null", "choose a group by name"),
        ("agent.learning_rate.start=fast", "cannot be built with these settings"),
        ("teacher=delayed", "set max_pending=null"),
        ("memory.ends=2", "it is a probability"),
        ("env.horizon=5", "exceeds the episode length of 5"),
        ("early_resets.interval=5", "exceeds early_resets.interval=5"),
        ("early_resets.fraction=1", "a fraction from 0 to below 1"),
        ("labels=7000", "this run can ask 53 of its 7000 queries"),
        ("total_steps=0", "set it to at least 1"),
        ("max_pending=-1", "set it to at least 0"),
        ("query.clips=1", "of kind comparison shows 2 clips, not 1"),
        ("checkpoint_every=0", "set it to at least 1"),
        ("teacher=human query.clips=11", "people rank at most 10 clips at the page"),
        ("teacher=human film=null", "cannot be rendered: its yaml has no film"),
        ("teacher=human env=gym env.id=odd_envs:NoRender-v0 clip_steps=8", "cannot be drawn: this environment draws no pictures"),
        ("labels=1e2", "labels is 100.0: give a whole number"),
        ("labels=20.5", "give a whole number"),
        ("total_steps=nan", "total_steps is nan"),
        ("total_steps=2000.5", "whole number of environment steps"),
        ("total_steps=soon", "whole number of environment steps"),
        ("agent.learning_rate=nan", "agent.learning_rate is nan"),
        ("threads=0", "at least 1"),
        ("torch_threads=two", "torch_threads is 'two'"),
        ("checkpoint_every=often", "whole number of environment steps"),
        ("max_pending=many", "max_pending is 'many'"),
        ("early_resets.interval=late", "early_resets.interval is 'late'"),
        ("agent.n_epochs=0", "at least 1"),
        ("video=maybe", "give true or false"),
        ("env=point,hopper", "add -m"),
        ("-m env=pong,breakout agent/network=small", "the default env, which has no setting agent/network; choose an experiment"),
        ("-m env=pong,breakout agent/netwrk=small", "there is no setting agent/netwrk; the nearest are"),
        ("env=pong agent=ppo agent/network=small", "there is no setting agent/network"),
        ("env=pong agent/intrinsic_reward=state_entropy", "pixels do not represent"),
        ("env=hopper agent=ppo_atari", "this agent reads images"),
        ("=3", "give settings as KEY=VALUE"),
        ("labels=${nope}", "Interpolation key 'nope' not found"),
        ("agent.policy_kwargz.x=1", "the nearest are agent.policy_kwargs"),
        ("env.kwargs.x=1", "unexpected keyword argument 'kwargs'"),
        ("experiment=ablation/targt", "the nearest are ablation/target"),
        ("teacher._target_=nowhere.Teacher", "correct the name, or set PYTHONPATH"),
        ("teacher._target_=rlhp.teacher.Orakel", "correct the name, or set PYTHONPATH"),
        ("hydra.run.dir=/dev/null/run", "cannot be a run directory"),
        ("--config-dir missing", "missing' not found"),
        ("-m env=point,pont", "there is no env=pont"),
        ("-m seed=1,2 labls=3", "there is no setting labls"),
        ("reward_model=frozen", "reward_model.run has no value"),
        ("teacher=replay", "teacher.run has no value"),
    ],
)
def test_one_sentence_and_status_2(wrong, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, *wrong.split()]) == 2
    err = capsys.readouterr().err.strip()
    assert err.startswith("rlhp: ") and said in err and len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())  # what was refused leaves nothing behind


@pytest.mark.parametrize("line", ["agent:", "agent: ppo", "query:", "reward_model:", "teacher: oracle"])
def test_a_component_that_ones_own_yaml_leaves_empty_is_refused(line, tmp_path, monkeypatch, capsys):
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{line}\n")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config-dir", "conf", "experiment=mine"]) == 2
    name = line.partition(":")[0]
    assert f"choose one with `override /{name}: ...`" in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_a_refused_sweep_leaves_one_that_was_there_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "-m", "seed=1", "name=two"]) == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != "multirun.yaml"}
    plan = (tmp_path / "runs" / "two" / "multirun.yaml").read_bytes()
    assert main(["train", *TINY, "-m", "env=point,pont", "name=two"]) == 2
    assert (tmp_path / "runs" / "two" / "multirun.yaml").read_bytes() == plan
    assert {path for path in tmp_path.rglob("*") if path.name != "multirun.yaml"} == set(before)


def test_a_folder_that_was_there_before_a_refused_command_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "runs" / "main" / "point-preferences-8-seed1"
    there.mkdir(parents=True)
    assert main(["train", *TINY, "memory.capacity=1"]) == 2
    assert there.is_dir()


def test_a_job_that_is_refused_in_a_sweep_can_be_seen_later(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "-m", "memory.capacity=1,1500"]) == 2
    failed, done = (sorted(tmp_path.glob(f"runs/main/*capacity-{n}__*/*")) for n in (1, 1500))
    assert {"config.yaml", "failed.txt"} <= {path.name for path in failed}
    assert "keep at least 2 segments" in next(path for path in failed if path.name == "failed.txt").read_text()
    assert "finished.json" in {path.name for path in done}


THEIRS = """
class Part:
    def __init__(self, fails, **settings):
        if fails == "KeyError":
            {}["their key"]
        if fails == "AssertionError":
            assert False, "their assertion"
        if fails == "FileNotFoundError":
            open("/their/missing/file")
        if fails == "Circle":
            error, cause = RuntimeError("their circle"), RuntimeError("the same")
            error.__cause__, cause.__cause__ = cause, error
            raise error
        if fails == "Untravelled":
            raise Untravelled("their", "error")

class Untravelled(Exception):
    def __init__(self, one, two):
        super().__init__(one + two)  # such an error cannot be unpickled
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder outside of the package, with a part that fails as the setting `fails` says."""
    for group in ("env", "teacher", "tracker"):
        (tmp_path / "conf" / group).mkdir(parents=True)
        part = "_target_: theirs.Part\nfails: KeyError\n"
        text = (
            f"# @package _global_\ntask: theirs\nclip_steps: 8\nenv:\n  {part.replace(chr(10), chr(10) + '  ')}\n"
            if group == "env"
            else part
        )
        (tmp_path / "conf" / group / "theirs.yaml").write_text(text)
    (tmp_path / "theirs.py").write_text(THEIRS)
    return tmp_path


def run(theirs: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rlhp.cli", "train", "--config-dir", "conf", *TINY, *words]
    environment = {**os.environ, "PYTHONPATH": str(theirs)}
    return subprocess.run(command, cwd=theirs, env=environment, capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize(
    ("group", "fails", "line"),
    [
        ("env", "KeyError", '{}["their key"]'),
        ("teacher", "AssertionError", 'assert False, "their assertion"'),
        ("tracker", "FileNotFoundError", 'open("/their/missing/file")'),
        ("teacher", "Circle", "raise error"),
    ],
)
def test_an_error_of_their_own_comes_out_at_once(group, fails, line, theirs, monkeypatch):
    monkeypatch.chdir(theirs)
    monkeypatch.syspath_prepend(theirs)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    with pytest.raises(Exception) as raised:
        main(["train", "--config-dir", "conf", *TINY, f"{group}=theirs", f"{group}.fails={fails}"])
    assert not isinstance(raised.value, UserError) and line in "".join(format_exception(raised.value))
    (failed,) = theirs.glob("runs/main/*/failed.txt")
    assert line in failed.read_text() and (failed.parent / "config.yaml").is_file()


def test_an_error_of_their_own_is_printed_with_its_traceback(theirs):
    ended = run(theirs, "env=theirs")
    assert ended.returncode == 1 and "Traceback" in ended.stderr and '{}["their key"]' in ended.stderr


@pytest.mark.slow
def test_a_sweep_of_errors_of_their_own_ends(theirs):
    errors = "KeyError,AssertionError,FileNotFoundError,Circle,Untravelled,none"
    ended = run(theirs, "-m", "tracker=theirs", "hydra/launcher=joblib", f"tracker.fails={errors}")
    assert ended.returncode == 1 and '{}["their key"]' in ended.stderr
    assert len(list(theirs.glob("runs/main/*/failed.txt"))) == 6  # the last is no tracker, which shows in training
    assert len(list(theirs.glob("runs/main/*/config.yaml"))) == 6


def only_run(folder: Path) -> dict:
    (config,) = folder.rglob("config.yaml")
    return yaml.safe_load(config.read_text())


def test_a_single_run_takes_all_cores_and_reports(tmp_path, monkeypatch, capsys, drawn):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY]) == 0
    assert only_run(tmp_path)["threads"] == len(os.sched_getaffinity(0))
    run = tmp_path / "runs" / "main" / "point-preferences-8-seed1"
    assert {"metrics.csv", "finished.json"} <= {path.name for path in run.iterdir()}
    assert f"{run}/curve.png\n{run}/reward.png" in capsys.readouterr().out.replace(" ", "")
    assert drawn["curve.png"].axes[0].get_title() == "point: preferences, 8 labels" and drawn["reward.png"].axes


def test_a_run_too_short_for_a_picture_of_its_reward_is_done_and_well(tmp_path, monkeypatch, capsys):
    def too_short(run: Path, out: Path) -> Path:
        raise UserError("too few clips")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rlhp.report.analysis.reward_png", too_short)
    assert main(["train", *TINY]) == 0
    assert "no picture of r-hat: too few clips" in capsys.readouterr().out


def test_a_sweep_gives_each_job_one_core_and_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "-m", "seed=1,2", "name=two"]) == 0  # wherever its -m stands
    configs = [yaml.safe_load(path.read_text()) for path in sorted((tmp_path / "runs" / "two").rglob("config.yaml"))]
    assert [config["seed"] for config in configs] == [1, 2] and [config["threads"] for config in configs] == [1, 1]


@pytest.mark.parametrize(
    ("plugin", "choice", "extra"),
    [
        ("hydra_submitit_launcher.submitit_launcher.SlurmLauncher", "hydra/launcher=slurm", "rlhp[slurm]"),
        ("hydra_submitit_launcher.submitit_launcher.LocalLauncher", "hydra/launcher=slurm_local", "rlhp[slurm]"),
        ("hydra_ray_launcher.ray_launcher.RayLauncher", "hydra/launcher=ray", "rlhp[ray]"),
        ("hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper", "experiment=tune", "rlhp[optuna]"),
        ("hydra_their_launcher.theirs.Launcher", "hydra/launcher=theirs", "hydra-their-launcher"),
    ],
)
def test_a_plugin_that_is_not_installed(plugin, choice, extra, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(Plugins.instance().class_name_to_class, f"hydra_plugins.{plugin}", raising=False)
    (tmp_path / "mine" / "hydra" / "launcher").mkdir(parents=True)
    (tmp_path / "mine" / "hydra" / "launcher" / "theirs.yaml").write_text(f"_target_: hydra_plugins.{plugin}\n")
    assert main(["train", "-m", "--config-dir", "mine", *TINY, choice]) == 2
    err = capsys.readouterr().err.strip()
    assert err.endswith(f"install it with: pip install '{extra}'") and len(err.splitlines()) == 1


def test_slurm_where_there_is_none(tmp_path, monkeypatch, capsys):
    pytest.importorskip("submitit", reason="submitit is not installed: pip install -e '.[slurm]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["train", "-m", *TINY, "hydra/launcher=slurm"]) == 2
    assert "there is no Slurm here" in capsys.readouterr().err.splitlines()[-1]


def test_what_is_ours_is_a_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rlhp.train.loops.learn", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["train", *TINY])
