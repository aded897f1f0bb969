"""A run directory: killed at any moment, the same command goes on, and ends with the numbers of a run never killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp.cli import main
from rlhp.run import RunDirectory, check_owner, checkpoint, create, discard, failure, locked_run, read_settings
from rlhp.run.record import Progress, Table, TensorBoard, read_table
from rlhp.train import load, train
from rlhp.types import UserError

SLOW = [
    pytest.param(t, marks=pytest.mark.slow) for t in ("hopper", "walker", "halfcheetah", "swimmer", "pendulum", "double_pendulum")
]
TINY = [
    *("n_envs=2", "threads=1", "agent.n_steps=64", "agent.batch_size=64", "agent.n_epochs=2", "labels=20", "total_steps=3072"),
    *("checkpoint_every=512", "training_schedule.first_per_1000_steps=7"),
    *("training_schedule.per_1000_steps=10", "query.min_segments_per_label=1", "clip_steps=10"),
]


def test_a_run_says_when_and_on_what_it_began_and_keeps_saying_it(tmp_path: Path) -> None:
    create(tmp_path, {"seed": 1})
    text = (tmp_path / "versions.json").read_text()
    said = json.loads(text)
    assert said["date"][:2] == "20" and said["cores"] >= 1
    assert {"cpu", "system", "python", "rlhp", "mujoco", "torch"} < set(said)
    (tmp_path / "metrics.csv").touch()  # it has begun
    create(tmp_path, {"seed": 1})
    assert (tmp_path / "versions.json").read_text() == text


def settings(*overrides: str):
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", [*TINY, *overrides]), resolve=True)


class Killed(Exception):
    pass


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run dies in the middle of the row of this step: after the row, before any checkpoint."""
    whole = RunDirectory.end_step

    def end_step(self: RunDirectory, now: int) -> None:
        if now >= step:
            self._metrics(now, {"true_reward": 1.0})
            raise Killed
        whole(self, now)

    monkeypatch.setattr(RunDirectory, "end_step", end_step)


@pytest.mark.parametrize("task", ["ant", "reacher", *SLOW])
def test_resumed_run_ends_with_the_same_bytes(task, tmp_path, monkeypatch):
    train(settings(f"env={task}"), tmp_path / "whole")
    with monkeypatch.context() as patch:
        killed_at(1800, patch)
        with pytest.raises(Killed):
            train(settings(f"env={task}"), tmp_path / "killed")
    assert checkpoint.complete(tmp_path / "killed" / "checkpoints")[-1] == 1536
    train(settings(f"env={task}"), tmp_path / "killed")
    for name in ("metrics.csv", "heldout.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(read_table(tmp_path / "whole" / "metrics.csv")) == 24


SWITCHES = [
    *(
        "crop.low=0.75",
        "crop.high=0.9167",
        "reward_model/loss=adaptive_scale",
        "memory=mixed",
        "memory.capacity=150",
        "memory.share=0.5",
    ),
    *("agent/refit=critic", "agent/intrinsic_reward=state_entropy", "query.min_segments_per_label=20"),
]


@pytest.mark.parametrize("step, resumed", [(1100, 1024), (2300, 2048)], ids=["exploring", "rewarded"])
def test_a_run_with_every_switch_on_resumes_too(step, resumed, tmp_path, monkeypatch):
    """The first labels wait for 100 clips, some 1,300 steps; until then the policy explores."""
    train(settings("env=reacher", *SWITCHES), tmp_path / "whole")
    with monkeypatch.context() as patch:
        killed_at(step, patch)
        with pytest.raises(Killed):
            train(settings("env=reacher", *SWITCHES), tmp_path / "killed")
    assert checkpoint.complete(tmp_path / "killed" / "checkpoints")[-1] == resumed
    train(settings("env=reacher", *SWITCHES), tmp_path / "killed")
    for name in ("metrics.csv", "heldout.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    labels = {int(row["step"]): int(row["labels"]) for row in read_table(tmp_path / "whole" / "metrics.csv")}
    assert labels[1152] == 0 < labels[1920]


@pytest.mark.parametrize("change", ["seed=2", "teacher=noisy", "query=uniform"])
def test_the_bytes_depend_on_the_settings(change, tmp_path):
    """The comparison above could fail: other settings give other bytes."""
    train(settings("env=reacher"), tmp_path / "a")
    train(settings("env=reacher", change), tmp_path / "b")
    assert (tmp_path / "a" / "metrics.csv").read_bytes() != (tmp_path / "b" / "metrics.csv").read_bytes()


def test_a_noisy_teacher_resumes_too(tmp_path, monkeypatch):
    train(settings("env=reacher", "teacher=noisy"), tmp_path / "whole")
    with monkeypatch.context() as patch:
        killed_at(1200, patch)
        with pytest.raises(Killed):
            train(settings("env=reacher", "teacher=noisy"), tmp_path / "killed")
    train(settings("env=reacher", "teacher=noisy"), tmp_path / "killed")
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def command(folder: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "rlhp.cli",
        "train",
        "env=reacher",
        *TINY,
        "threads=2",
        "total_steps=10240",
        f"hydra.run.dir={folder}",
    ]


@pytest.mark.slow
def test_a_killed_process_goes_on(tmp_path):
    """kill -9 twice, wherever it strikes; then the same command to its end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command(tmp_path / "whole"), check=True, env=environment, capture_output=True)
    marks = tmp_path / "killed" / "checkpoints"
    for enough in (1024, 4096):
        process = subprocess.Popen(
            command(tmp_path / "killed"), env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        while max(checkpoint.complete(marks), default=0) < enough:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "killed" / "finished.json").exists()
    subprocess.run(command(tmp_path / "killed"), check=True, env=environment, capture_output=True)
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


@pytest.mark.parametrize(
    "own",
    [
        ("env.id=Hopper-v5",),
        ("env.id=odd_envs:Told-v0",),
        ("env.id=odd_envs:Copied-v0", "env.clone=true"),
        pytest.param(("env.id=Humanoid-v5",), marks=pytest.mark.slow),
    ],
    ids=lambda own: own[0],
)
def test_an_environment_of_ones_own_resumes_with_the_same_bytes(own, tmp_path, monkeypatch):
    """In another number of processes, too."""
    chosen = settings("env=gym", *own)
    train(chosen, tmp_path / "whole")
    with monkeypatch.context() as patch:
        killed_at(1800, patch)
        with pytest.raises(Killed):
            train(chosen, tmp_path / "killed")
    train(settings("env=gym", *own, "env.workers=2"), tmp_path / "killed")
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def test_an_environment_that_cannot_be_saved_resumes_from_a_reset(tmp_path, monkeypatch, capfd):
    own = ("env=gym", "env.id=odd_envs:Closed-v0", "seed=3")
    with monkeypatch.context() as patch:
        killed_at(1800, patch)
        with pytest.raises(Killed):
            train(settings(*own), tmp_path)
    assert "odd_envs:Closed-v0 cannot be saved (Closed.wind is a builtins.list_iterator)" in capfd.readouterr().err
    train(settings(*own), tmp_path)
    assert [int(row["step"]) for row in read_table(tmp_path / "metrics.csv")] == list(range(128, 3073, 128))


def test_a_finished_run_is_left_as_it_is(tmp_path, capsys):
    train(settings("env=point"), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    train(settings("env=point"), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "finished already" in capsys.readouterr().err


def test_other_settings_are_refused_by_name(tmp_path):
    train(settings("env=point"), tmp_path)
    with pytest.raises(UserError, match=r"other settings \(labels\).*name="):
        train(settings("env=point", "labels=21"), tmp_path)
    train(settings("env=point", "checkpoint_every=100"), tmp_path)  # touches no number


def test_settings_that_cannot_be_built_are_not_in_the_way_of_others(tmp_path):
    with pytest.raises(UserError):
        train(settings("env=point", "labels=-1"), tmp_path / "run")
    train(settings("env=point"), tmp_path / "run")


def test_a_half_written_checkpoint_does_not_exist(tmp_path):
    checkpoint.write(tmp_path, 100, {"a": {"x": np.arange(3)}})
    (tmp_path / "200").mkdir()
    (tmp_path / "200" / "a.safetensors").write_bytes(b"half")
    assert checkpoint.complete(tmp_path) == [100]
    checkpoint.write(tmp_path, 200, {"a": {"x": np.arange(4)}})
    assert checkpoint.read(tmp_path, 200)["a"]["x"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("harm", [b"", b"\x00" * 8, None])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(harm, tmp_path, capsys):
    for step in (100, 200):
        checkpoint.write(tmp_path, step, {"a": {"x": np.arange(step)}})
    file = tmp_path / "200" / "a.safetensors"
    file.unlink() if harm is None else file.write_bytes(harm)
    step, parts = checkpoint.newest(tmp_path)
    assert step == 100 and len(parts["a"]["x"]) == 100
    assert "200 is damaged" in (said := capsys.readouterr().err) and "using the previous one" in said
    (tmp_path / "100" / checkpoint.DONE).write_text("[]")
    with pytest.raises(UserError, match="no earlier one"):
        checkpoint.newest(tmp_path)
    assert checkpoint.newest(tmp_path / "nowhere") == (0, {})


def test_a_run_whose_newest_checkpoint_is_damaged_ends_with_the_same_bytes(tmp_path, monkeypatch):
    train(settings("env=point"), tmp_path / "whole")
    with monkeypatch.context() as patch:
        killed_at(1800, patch)
        with pytest.raises(Killed):
            train(settings("env=point"), tmp_path / "killed")
    newest = tmp_path / "killed" / "checkpoints" / "1536" / "agent.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    train(settings("env=point"), tmp_path / "killed")
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
    steps = [json.loads(line)["step"] for line in (tmp_path / "killed" / "attempts.jsonl").read_text().splitlines()]
    assert steps == [0, 1024]


def test_a_checkpoint_counts_only_once_all_that_it_rests_on_is_on_the_disk(tmp_path, monkeypatch):
    """As a power cut would find it: whatever the mark vouches for, and the store, was synced before the mark was renamed."""
    synced, whole = [], checkpoint.sync
    monkeypatch.setattr(checkpoint, "sync", lambda path: synced.append(path.name) or whole(path))
    run = RunDirectory(tmp_path, {}, total_steps=100, checkpoint_every=100)
    run._parts = {"a": Counter()}
    run.sync = lambda: synced.append("store")
    run.open()
    run.log(100, {"x": 1.0})
    run.end_step(100)
    mark = next(i for i, name in enumerate(synced) if name.startswith("done."))
    before = synced[:mark]
    assert {"store", "metrics.csv", "clock.csv", "a.safetensors"} <= set(before)
    assert synced[mark + 1 :][:2] == ["100", "checkpoints"]  # the renamed mark, the checkpoint's folder


class Counter:
    def snapshot(self):
        return {"x": np.arange(3)}

    def restore(self, state):
        pass


def test_settings_that_never_began_a_run_do_not_own_the_directory(tmp_path):
    create(tmp_path, {"seed": 1})
    check_owner(tmp_path, {"seed": 2})
    create(tmp_path, {"seed": 2})
    assert read_settings(tmp_path)["seed"] == 2
    (tmp_path / "preferences.sqlite").touch()
    with pytest.raises(UserError, match=r"other settings \(seed\)"):
        check_owner(tmp_path, {"seed": 3})
    create(tmp_path, {"seed": 2})
    discard(tmp_path)
    assert (tmp_path / "config.yaml").exists()  # it has begun
    discard(tmp_path / "nowhere")


def test_whoever_comes_second_neither_changes_nor_blames_the_first(tmp_path):
    train(settings("env=point"), tmp_path)
    with pytest.raises(UserError, match="other settings"):
        train(settings("env=point", "labels=21"), tmp_path)
    with locked_run(tmp_path), pytest.raises(UserError, match="being trained by another process"):
        train(settings("env=point"), tmp_path)
    assert not (tmp_path / "failed.txt").exists() and read_settings(tmp_path)["labels"] == 20


def test_a_job_that_cannot_be_built_leaves_its_error_and_its_settings(tmp_path):
    with pytest.raises(UserError):
        train(settings("env=point", "labels=-1"), tmp_path / "run")
    assert "-1" in failure(tmp_path / "run") and read_settings(tmp_path / "run")["labels"] == -1
    discard(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_remembers_the_precision_it_began_with(tmp_path, monkeypatch):
    monkeypatch.setattr("rlhp.train.job.best_precision", lambda device: "float32")
    with monkeypatch.context() as patch:
        killed_at(1800, patch)
        with pytest.raises(Killed):
            train(settings("env=point"), tmp_path)
    assert read_settings(tmp_path)["reward_model"]["precision"] == "float32"
    monkeypatch.setattr("rlhp.train.job.best_precision", lambda device: "bfloat16")  # another machine
    train(settings("env=point"), tmp_path)
    attempts = [json.loads(line) for line in (tmp_path / "attempts.jsonl").read_text().splitlines()]
    assert [each["precision"] for each in attempts] == ["float32", "float32"] and {"cpu", "torch", "date"} <= attempts[1].keys()
    assert attempts[0]["agent_precision"] is None, "this agent has none to choose"


def test_a_run_goes_on_under_the_names_that_parts_have_now(tmp_path):
    settings = {"seed": 1, "reward_model": {"_target_": "rlhp.reward.mlp_ensemble", "augment": [{"_target_": "other"}]}}
    earlier = {**settings, "reward_model": {**settings["reward_model"], "_target_": "rlhp.reward.Ensemble"}}
    create(tmp_path, earlier)
    (tmp_path / "metrics.csv").touch()  # it has begun
    assert "rlhp.reward.Ensemble" in (tmp_path / "config.yaml").read_text()
    assert read_settings(tmp_path).items() >= settings.items()
    check_owner(tmp_path, settings)


@pytest.mark.parametrize(("resumed", "shown"), [(0, [(0, 9.0)]), (64, [(0, 1.0), (64, 2.0), (96, 9.0)])])
def test_tensorboard_hides_what_a_run_did_after_its_last_checkpoint(tmp_path, resumed, shown):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start, rows in ((0, ((0, 1.0), (64, 2.0), (128, 3.0))), (resumed, shown[-1:])):
        board = TensorBoard(tmp_path, start)
        for step, value in rows:
            board(step, {"x": value})
        board.close()
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("x")] == shown


# The settings of the first runs that may go on: a setting that is not among them is null by default, or in directory.ADDED.
FIRST = {
    "": "name condition seed total_steps labels first_labels max_pending entropy_bonus l2 l2_rate reward_input crop n_envs "
    "early_resets threads torch_threads checkpoint_every video instructions film page "
    "training_schedule agent teacher memory query schedule reward_model task clip_steps env tracker",
    "agent": "_target_ _partial_ n_steps batch_size n_epochs learning_rate gamma gae_lambda clip_range ent_coef vf_coef "
    "max_grad_norm target_kl normalise_observations normalise_reward reward_shift policy_kwargs seed",
    "memory": "_target_ length capacity seed ends",
    "query": "_target_ seed clips candidates min_segments_per_label",
    "schedule": "_target_ labels total_steps initial first c",
    "reward_model": "loss regulariser augment input_scaling _target_ _partial_ reward_input members hidden "
    "learning_rate batch_size ema_window precision seed",
    "env": "_target_ task n_envs seed threads horizon",
}


def test_a_run_goes_on_though_there_are_settings_that_it_did_not_know(tmp_path):
    now = settings("env=point")
    before = {name: now[name] for name in FIRST[""].split()}
    before |= {part: {k: v for k, v in now[part].items() if k in names.split()} for part, names in FIRST.items() if part}
    assert "feedback_delay" in now and "feedback_delay" not in before
    create(tmp_path, before)
    (tmp_path / "metrics.csv").touch()  # it has begun
    check_owner(tmp_path, now)


def test_a_checkpoint_of_another_version_says_so(tmp_path):
    checkpoint.write(tmp_path, 100, {"a": {"x": np.arange(3)}})
    mark = tmp_path / "100" / checkpoint.DONE
    for other in ({"a": "0" * 64}, {**json.loads(mark.read_text()), "format": 99}):
        mark.write_text(json.dumps(other))
        with pytest.raises(UserError, match="another version"):
            checkpoint.read(tmp_path, 100)


def test_one_flipped_bit_is_noticed(tmp_path):
    checkpoint.write(tmp_path, 100, {"a": {"x": np.arange(3)}})
    file = tmp_path / "100" / "a.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        checkpoint.read(tmp_path, 100)


def test_a_damaged_checkpoint_without_an_earlier_one_names_none(tmp_path, capsys):
    checkpoint.write(tmp_path, 100, {"a": {"x": np.arange(3)}})
    (tmp_path / "100" / "a.safetensors").unlink()
    with pytest.raises(UserError, match="and there is no earlier one"):
        checkpoint.newest(tmp_path)
    assert capsys.readouterr().err == ""


def test_the_newest_checkpoints_stay(tmp_path):
    for step in (9, 10, 100):
        checkpoint.write(tmp_path, step, {"a": {"x": np.arange(3)}})
    assert checkpoint.complete(tmp_path) == [10, 100]


def test_a_table_grows_columns_and_forgets_rows(tmp_path):
    table = Table(tmp_path / "t.csv", 0)
    table(1, {"a": 1.5})
    table(2, {"a": 2.0, "b": 3.0})
    with (tmp_path / "t.csv").open("a") as file:
        file.write("3,4")  # cut short by a kill
    assert read_table(tmp_path / "t.csv") == [{"step": "1", "a": "1.5", "b": ""}, {"step": "2", "a": "2", "b": "3"}]
    Table(tmp_path / "t.csv", 1)
    assert (tmp_path / "t.csv").read_text() == "step,a,b\n1,1.5,\n"


def test_progress_is_one_line_with_what_matters(tmp_path):
    with (tmp_path / "log").open("w") as out:
        progress = Progress("run", 2000, labels=20, every=0, out=out)
        progress(1000, {"labels": 7, "valid_accuracy": 0.875, "true_return": 1234.5})
        progress(2000, {})
    last = (tmp_path / "log").read_text().splitlines()[-1]
    assert last.startswith("run  2,000/2,000 steps  ") and "7 of 20 labels  accuracy 0.88  true return 1,234.5  0 s left" in last


def test_progress_says_at_once_what_it_waits_for_and_then_at_its_pace(tmp_path):
    with (tmp_path / "log").open("w") as out:
        progress = Progress("run", 2000, every=1000, out=out)
        for done in range(3):
            progress.say(f"{done} of 3 first labels")
        progress(1000, {})
        progress.say("2 questions are unanswered")
    assert (tmp_path / "log").read_text() == "run  0 of 3 first labels\nrun  2 questions are unanswered\n"


def test_a_trained_policy_is_loaded(tmp_path):
    train(settings("env=point"), tmp_path)
    trained = load(tmp_path)
    env = trained.make_env(3, seed=1)
    actions = trained.policy(env.reset())
    assert actions.shape == (3, 2)
    assert np.array_equal(actions, load(tmp_path).policy(trained.make_env(3, seed=1).reset()))
    with pytest.raises(UserError, match="not a run directory"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("command", [["evaluate"], ["extend"], ["inspect"]])
def test_settings_that_were_cut_off_are_not_taken_for_a_fit(command, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("name: main\nseed: 1\ntotal_steps: 100\n")
    (tmp_path / "metrics.csv").write_text("step\n10\n")
    (tmp_path / "checkpoint").mkdir()
    more = {"extend": ["total_steps=200"]}.get(command[0], [])
    assert main([*command, str(tmp_path), *more]) == 2
    assert "damaged: it has no key 'task'" in capsys.readouterr().err
