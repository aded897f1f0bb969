"""Every yaml under conf/: it composes, it builds, it keeps its group's contract, and three rounds of learning go through.

A new yaml needs no line here, unless it leaves something for the user to fill in (FILL).
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Any

import comparing
import extras
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import get_class
from omegaconf import OmegaConf

from rlhp import report
from rlhp.feedback import find
from rlhp.keys import keyboard
from rlhp.preference import Rankings
from rlhp.run import RunDirectory
from rlhp.run.record import read_table
from rlhp.store import Store, recorded, segments
from rlhp.store.codec import Answered, ComparisonBuilder
from rlhp.train import build, train
from rlhp.types import Answer, Evidence, Query, Rollout, Segment, Stateful, UserError, stack

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")  # recipes are for longer rollouts

CONF = Path(__file__).parents[1] / "conf"
FILES = [file.relative_to(CONF).with_suffix("") for file in sorted(CONF.glob("*/**/*.yaml"))]
PARTS = [file for file in FILES if file.parts[0] != "hydra"]
ROUNDS, N, T = 3, 2, 64
TINY = [
    *("n_envs=2", "threads=1", f"agent.n_steps={T}", f"total_steps={ROUNDS * N * T}", "labels=4", "torch_threads=1"),
    "first_labels=null",
    *("training_schedule.first_per_1000_steps=5", "training_schedule.per_1000_steps=20", "video=false"),
]
SMALL_REWARD = ["reward_model.layers=[[4,7,6]]", "reward_model.units=8"]  # where it is not what is tested
SMALL = ["agent/network=small", *SMALL_REWARD]
PONG = ["env=pong", "clip_steps=8"]  # frames, for the parts that read images
CLONED = ["demos={recording}/demonstrations", "agent.start.critic_first=1", "agent.start.cloning_steps=100"]
DEMONSTRATED = ["demos={recording}/demonstrations"]
SHORT = ["clip_steps=8", "early_resets.interval=16"]  # for episodes of 50 steps
UNTAUGHT = ["reward_model=true_reward", "schedule=none", "labels=0"]  # for what asks nobody
COACHED = ["expert={recording}/expert", "loop.trainer.lookahead=4"]
ASKED = ["expert={recording}", "loop.steps=128", "loop.evaluate_episodes=2", "loop.fit_steps=40"]
FILL = {  # what a yaml leaves open, or says that it needs
    "env/gym": ["env.id=CartPole-v1"],
    "agent/ppo_atari": [*PONG, *SMALL],
    "agent/a2c_atari": [*PONG, *SMALL],
    "agent/coach_atari": [*PONG, *SMALL_REWARD],
    "agent/network/nature": [*PONG, *SMALL_REWARD],
    "agent/network/small": [*PONG, *SMALL_REWARD],
    "agent/start/clone": ["agent.start.run={recording}", "agent.start.critic_first=1"],
    "agent/start/demonstrations": CLONED,
    "agent/kl_penalty/adaptive": ["agent/start=clone", "agent.start.run={recording}", "agent.start.critic_first=1"],
    "agent/kl_penalty/fixed": ["agent/start=clone", "agent.start.run={recording}", "agent.start.critic_first=1"],
    "teacher/delayed": ["max_pending=null", "teacher.delay=64"],
    "experiment/demo_atari": [*PONG, *SMALL_REWARD],
    "experiment/figure3": PONG,
    "experiment/overoptimisation": ["env=point", *CLONED],
    "experiment/pipeline": ["env=point", *CLONED],
    "experiment/demonstrations": ["env=point", *DEMONSTRATED, "loop.evaluate_every=128", "loop.evaluate_episodes=2"],
    "experiment/human/backflip": ["teacher=oracle", *SHORT],  # in the place of people, who are not here
    "experiment/human/enduro_pace": ["teacher=oracle", "env=enduro_pace", "clip_steps=8", *SMALL_REWARD],
    "experiment/human/one_leg": ["teacher=oracle", *SHORT],
    "teacher/human": ["page=null", "max_pending=0"],  # who answers here does so at the store
    "reward_model/ensemble_cnn": [*PONG, "agent/network=small"],
    "reward_model/frozen": ["reward_model.run={recording}"],
    "teacher/scripted": ["clip_score=rlhp.perception.return_of"],
    "teacher/replay": ["teacher.run={recording}"],
    "loop/cloning": [*UNTAUGHT, *DEMONSTRATED, "loop.evaluate_every=128", "loop.evaluate_episodes=2"],
    "condition/gail": DEMONSTRATED,
    "condition/airl": CLONED,
    "reward_model/gail": ["schedule=none", "labels=0", *DEMONSTRATED],
    "reward_model/airl": ["schedule=none", "labels=0", *DEMONSTRATED],
    "reward_model/lipschitz/gradient_penalty": ["condition=gail", *DEMONSTRATED],
    "reward_model/lipschitz/one_sided": ["condition=gail", *DEMONSTRATED],
    "reward_model/lipschitz/spectral_norm": ["condition=airl", *CLONED],
    "reward_model/lipschitz/none": ["condition=gail", *DEMONSTRATED],
    "condition/cloning": [*DEMONSTRATED, "loop.evaluate_every=128", "loop.evaluate_episodes=2"],
    "loop/coaching": [*UNTAUGHT, "agent=coach", *COACHED],
    "loop/trainer/advantage": ["loop=coaching", *UNTAUGHT, "agent=coach", *COACHED],
    "condition/coach": COACHED,
    "loop/dagger": [*UNTAUGHT, *ASKED],
    "condition/dagger": ASKED,
    "loop/smile": [*UNTAUGHT, *ASKED],
    "condition/smile": ASKED,
    "tracker/wandb": ["tracker.mode=disabled"],
}
each = pytest.mark.parametrize("file", PARTS, ids=str)


@cache
def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        cfg = OmegaConf.to_container(compose("config", overrides), resolve=True, throw_on_missing=True)
    assert isinstance(cfg, dict)
    return cfg  # type: ignore[return-value]


def resolved(overrides: list[str]) -> dict[str, Any]:
    return deepcopy(composed(*overrides))


def group_of(file: Path) -> str:
    return "experiment" if file.parts[0] == "experiment" else str(file.parent)  # its folders are part of its name


def chosen(file: Path, recording: Path) -> list[str]:
    """The overrides that choose a yaml and fill in what it leaves open, on `point` unless it is an environment itself."""
    group = group_of(file)
    choice = [f"{group}='{file.relative_to(group)}'", *(f.format(recording=recording) for f in FILL.get(str(file), []))]
    if group == "env":
        return [*choice, "clip_steps=8", *(SMALL if "- /atari" in (CONF / file).with_suffix(".yaml").read_text() else [])]
    return choice if any(each.startswith("env=") for each in choice) else ["env=point", *choice]


def first_job(file: Path, recording: Path) -> list[str]:
    """The first job that an experiment launches: its name, and the first value (or the lowest) of everything it sweeps over."""
    filled = [f.format(recording=recording) for f in FILL.get(str(file), [])]
    chosen = [f"experiment={file.relative_to('experiment')}", *filled]
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        sweep = compose("config", chosen, return_hydra_config=True).hydra.sweeper.params or {}
    return [chosen[0], *(f"{key}={first(f'{key}={values}')}" for key, values in sweep.items()), *filled]


def first(override: str) -> Any:
    """The first value of a sweep over one setting, the start of an interval."""
    parsed = OverridesParser.create().parse_override(override)
    if parsed.is_interval_sweep():
        return parsed.value().start  # type: ignore[union-attr]
    return next(parsed.sweep_string_iterator()) if parsed.is_sweep_override() else parsed.get_value_element_as_str()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose answers may be replayed, and its reward frozen."""
    path = tmp_path_factory.mktemp("recorded")
    train(resolved([*TINY, "env=point"]), path)
    train(resolved([*TINY, "env=point", "condition=true_reward"]), path / "expert")
    report.demonstrate(path, path / "demonstrations", episodes=3, best_of=None, seed=0, max_steps=1000)
    return path


@contextmanager
def somebody(run: Path, file: Path) -> Iterator[None]:
    """A person who answers every question at once, where the teacher is a person."""
    if str(file) != "teacher/human":
        yield
        return
    over = Event()

    def answer() -> None:
        while not over.wait(0.001) and not (run / "preferences.sqlite").exists():
            pass
        store = Store(run / "preferences.sqlite")
        while not over.wait(0.001):
            store.answer({query.id: Answer((0, 1)) for query in store.unanswered()}, "human:annotator-1")
        store.close()

    thread = Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


@pytest.fixture(autouse=True)
def without_wandb(request: pytest.FixtureRequest) -> None:
    """Where an extra is not installed, building says so; there is nothing else to test."""
    if "tracker/wandb" in request.node.name and find_spec("wandb") is None:
        with pytest.raises(UserError, match="pip install"):
            build(resolved([*TINY, *chosen(Path("tracker/wandb"), Path())]))
        pytest.skip("wandb is not installed, and building says so")


@pytest.fixture(autouse=True)
def without_an_environments_package(request: pytest.FixtureRequest) -> None:
    file = getattr(request.node, "callspec", None) and request.node.callspec.params.get("file")
    if isinstance(file, Path) and file.parts[0] == "env":
        extras.needed(file.name)


@each
def test_three_rounds_of_learning(file: Path, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the same numbers from a run that dies in its last round, after that row and before its checkpoint, and goes on."""
    cfg = resolved([*TINY, f"checkpoint_every={N * T}", *chosen(file, recording)])
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with somebody(whole, file):
        train(cfg, whole)
    rows = read_table(whole / "metrics.csv")
    assert [int(row["step"]) for row in rows] == [N * T * (i + 1) for i in range(ROUNDS)]
    assert rows[-1].get("entropy") or rows[-1].get("best_valid_loss"), "the policy was updated"
    assert int(rows[-1].get("labels", 0)) == instantiated(cfg["schedule"])(cfg["total_steps"])
    assert json.loads((whole / "finished.json").read_text())["labels"]["used"] == int(rows[-1].get("labels", 0))
    with somebody(killed, file):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            die_in_the_last_round(patch)
            train(cfg, killed)
        train(cfg, killed)
    env = build(cfg).env
    env.reset()
    if env.restore(env.snapshot()) is not None:
        assert (killed / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
        assert (killed / "heldout.csv").read_bytes() == (whole / "heldout.csv").read_bytes()
    else:  # it goes on from a reset
        again = read_table(killed / "metrics.csv")
        assert again[0].keys() == rows[0].keys() and again[:-1] == rows[:-1] and again[-1]["labels"] == rows[-1]["labels"]


class Killed(Exception):
    pass


def die_in_the_last_round(patch: pytest.MonkeyPatch) -> None:
    whole = RunDirectory.end_step

    def tick(run: RunDirectory, step: int) -> None:
        if step == ROUNDS * N * T:
            run._metrics(step, dict.fromkeys(run._pending, 1.0))
            raise Killed
        whole(run, step)

    patch.setattr(RunDirectory, "end_step", tick)


@each
def test_it_builds_and_keeps_its_groups_contract(file: Path, recording: Path) -> None:
    cfg = resolved([*TINY, *chosen(file, recording)])
    before = deepcopy(cfg)
    parts = build(cfg)
    assert cfg == before, "building leaves the settings alone"
    CONTRACTS[group_of(file)](parts, cfg)
    parts.env.close()


@pytest.mark.parametrize("file", [file for file in PARTS if file.parts[0] == "experiment"], ids=str)
def test_the_first_job_of_an_experiment_builds(file: Path, recording: Path) -> None:
    build(resolved(first_job(file, recording))).env.close()


@pytest.mark.filterwarnings("ignore:\\s*'hydra/launcher/ray' is validated")
@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] == "hydra"], ids=str)
def test_what_is_hydras_own_composes(file: Path) -> None:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        cfg = compose("config", [f"{file.parent}={file.name}"], return_hydra_config=True).hydra
    part = cfg[file.parts[1]]
    if "_target_" in part:
        pytest.importorskip(part["_target_"].rpartition(".")[0], reason="an extra that is not installed")
        assert get_class(part["_target_"])


# The contracts of the groups


def rollout_of(env: Any) -> Rollout:
    """T steps of random actions, and random observations."""
    rng, space = np.random.default_rng(0), env.observation_space
    shape = (getattr(env, "stack", 1) - 1 + T, N, *space.shape)
    obs = rng.integers(0, 256, shape, np.uint8) if space.dtype == np.uint8 else rng.normal(size=shape).astype(np.float32)
    act = np.array([[env.action_space.sample() for _ in range(N)] for _ in range(T)])
    return Rollout(obs, act, rng.normal(size=(T, N)).astype(np.float32), np.zeros((T, N), bool), None, np.zeros(0))


def clips_of(env: Any, length: int = 8) -> list[Segment]:
    r = rollout_of(env)
    return [r.clip(t, i, length) for t in range(0, T, length) for i in range(N)]


def an_environment(parts: Any, cfg: dict[str, Any]) -> None:
    env = parts.env
    env.restore(env.snapshot())  # even where nothing has happened yet
    obs = env.reset()
    saved, acts = env.snapshot(), rollout_of(env).act
    assert env.num_envs == N and obs.shape == (N, *env.observation_space.shape) and obs.dtype == env.observation_space.dtype
    steps = [env.step(act) for act in acts]
    for obs, reward, done, infos in steps:
        assert all(env.observation_space.contains(o) for o in obs) and np.isfinite(obs).all()
        assert reward.shape == done.shape == (N,) and reward.dtype == np.float32 and np.isfinite(reward).all()
        assert done.dtype == bool and all("terminal_observation" in info for info, end in zip(infos, done, strict=True) if end)
    if cfg["keyboard"] or getattr(env, "bindings", ()):
        keys = keyboard(env, cfg["keyboard"])
        assert all(env.action_space.contains(keys.action(held)) for held in ([], *([code] for code in keys.codes)))
    states = env.states()
    assert states is None or (len(states) == N and np.isfinite(states).all())
    restored = env.restore(saved)
    if restored is not None:  # None: these environments go on from a reset
        assert restored.shape == obs.shape
        again = [env.step(act) for act in acts]
        assert all(np.array_equal(a[k], b[k]) for a, b in zip(steps, again, strict=True) for k in range(3))


def an_agent(parts: Any, cfg: dict[str, Any]) -> None:
    agent, rounds, saved, kept = parts.agent, 0, {}, {}
    for rollout in agent.rollouts(2 * N * T):
        rounds += 1
        assert all(np.array_equal(kept[name], array) for name, array in saved.items()), "a snapshot stays as it was"
        assert agent.num_timesteps == rounds * N * T and agent.n_steps == T
        before, space = getattr(parts.env, "stack", 1) - 1, parts.env.observation_space
        assert rollout.obs.shape == (before + T, N, *space.shape) and rollout.obs.dtype in (space.dtype, np.float32)
        acts = parts.env.action_space
        assert all(acts.contains(act) for act in rollout.act.reshape(T * N, *acts.shape))
        assert rollout.true_reward.shape == rollout.cut.shape == (T, N) and rollout.cut.dtype == bool
        assert all(np.isfinite(value) for value in agent.update(np.ones((T, N), np.float32)).values())
        saved = agent.snapshot()
        kept = {name: array.copy() for name, array in saved.items()}
    assert rounds == 2 and all(isinstance(array, np.ndarray) for array in agent.snapshot().values())


def a_reward(parts: Any, cfg: dict[str, Any]) -> None:
    reward, rollout, clips = parts.reward, rollout_of(parts.env), stack(clips_of(parts.env))
    asked = comparing.comparisons(clips[:8], clips[8:], np.ones(8, np.float32))
    reward.begin(Evidence(asked), 0)
    assert reward.fitted() == {}
    before = reward.snapshot()
    assert reward(rollout).shape == (T, N) and reward(rollout).dtype == np.float32
    members = reward.predict_members(clips)
    assert members.ndim == 3 and members.shape[1:] == (16, 8) and np.isfinite(members).all()
    assert all(np.array_equal(before[k], v, equal_nan=True) for k, v in reward.snapshot().items())
    reward.begin(Evidence(asked), 5)
    assert all(np.isfinite(value) for value in reward.fitted().values()) and np.isfinite(reward(rollout)).all()
    fresh = build(cfg).reward
    fresh.restore(reward.snapshot())
    assert np.array_equal(fresh(rollout), reward(rollout))


def a_loop(parts: Any, cfg: dict[str, Any]) -> None:
    assert callable(parts.loop)
    if isinstance(parts.loop, Stateful):
        saved = parts.loop.snapshot()
        assert all(isinstance(array, np.ndarray) for array in saved.values())
        fresh = build(cfg).loop
        assert isinstance(fresh, Stateful)
        fresh.restore(saved)
        assert all(np.array_equal(fresh.snapshot()[name], array) for name, array in saved.items())


def a_loss(parts: Any, cfg: dict[str, Any]) -> None:
    loss = instantiated(cfg["reward_model"]["loss"])
    sums, rank = torch.randn(3, 24, requires_grad=True), torch.randint(0, 4, (6, 4))
    there = torch.tensor([[True, True, True, True]] * 3 + [[True, True, False, False]] * 3)
    values = loss(sums, Rankings(torch.arange(24).reshape(6, 4), rank, there, torch.randn(6, 4)))
    (slope,) = torch.autograd.grad(values.sum(), sums)
    assert values.shape == (3, 6) and (values >= 0).all() and slope.isfinite().all()
    assert not slope.reshape(3, 6, 4)[:, 3:, 2:].any(), "no clip that is not there has a gradient"


def a_kind(parts: Any, cfg: dict[str, Any]) -> None:
    """Questions of a kind are asked, answered, stored, shown to people, and fitted by the loss that is chosen with it."""
    kind, clips = find(cfg["feedback"]), Clips(clips_of(parts.env))
    questions = parts.query(clips, 2, parts.reward, 7)
    asked = {i: Query(i, question, 0, kind.name) for i, question in enumerate(questions)}
    answers = parts.teacher(list(asked.values()), 0)
    assert len(answers) == 2
    for i, answer in answers.items():
        size = len(asked[i].clips)
        assert kind.fewest <= size <= kind.most and kind.admits(answer, size) and not answer.unsure
        assert kind.parse(json.loads(json.dumps(kind.value(answer))), size) == answer
        assert kind.admits(answer.reversed(), size) and kind.admits(Answer(None), size)
    names = [str(i) for i in range(len(clips))]
    table, place = ComparisonBuilder(), {id(clip): name for clip, name in zip(clips, names, strict=True)}
    table.extend([Answered(asked[i], [place[id(clip)] for clip in asked[i].clips], answers[i], "somebody") for i in answers])
    before = parts.reward.snapshot()
    parts.reward.begin(Evidence(table.comparisons()), 5)
    assert all(np.isfinite(value) for value in parts.reward.fitted().values())
    assert any(not np.array_equal(before[name], array, equal_nan=True) for name, array in parts.reward.snapshot().items())


def a_penalty(parts: Any, cfg: dict[str, Any]) -> None:
    penalty = instantiated(cfg["reward_model"]["regulariser"])
    start = penalty.start(3)
    later = penalty.next(start, np.ones(3), np.array([0.5, 1.3, 9.0]))
    assert start.shape == later.shape == (3,) and (start >= 0).all() and (np.diff(later) >= 0).all()


def a_teacher(parts: Any, cfg: dict[str, Any]) -> None:
    clips = clips_of(parts.env)
    queries = {i: Query(i, tuple(clips[i : i + k]), asked_step=0) for i, k in enumerate([2, 2, 2, 3, 4])}
    if "run" in cfg["teacher"]:  # it answers the questions of that run alone
        path = Path(cfg["teacher"]["run"]) / "preferences.sqlite"
        clips_asked = {id: tuple(clip for _, clip in segments(path, asked.clips)) for id, asked in recorded(path).items()}
        queries = {id: Query(id, clips, asked_step=0) for id, clips in clips_asked.items()}
    assert parts.teacher([], 0) == {}
    for step in (0, 10**6):
        for id, given in parts.teacher(list(queries.values()), step).items():
            for answer in given if isinstance(given, Sequence) else [given]:
                assert answer.ranks is None or (len(answer.ranks) == len(queries[id].clips) and min(answer.ranks) >= 0)
    if hasattr(parts.teacher, "snapshot"):
        build(cfg).teacher.restore(parts.teacher.snapshot())


class Clips(list[Segment]):
    """A memory."""

    def sample(self, n: int, clips: int, rng: np.random.Generator) -> list[tuple[Segment, ...]]:
        return [tuple(self[i] for i in rng.choice(len(self), clips, replace=False)) for _ in range(n)]


def a_memory(parts: Any, cfg: dict[str, Any]) -> None:
    memory, twin, rng = parts.memory, build(cfg).memory, np.random.default_rng
    assert len(memory) == 0 and memory.heldout == []
    for _ in range(4):
        memory.add(rollout_of(parts.env))
    questions = memory.sample(9, 3, rng(0))
    for clips in questions:
        assert len({id(clip) for clip in clips}) == 3 and all(clip.obs.shape[0] == cfg["clip_steps"] for clip in clips)
        assert not {id(clip) for clip in clips} & {id(clip) for clip in memory.heldout}
    assert [[id(c) for c in clips] for clips in memory.sample(9, 3, rng(0))] == [[id(c) for c in clips] for clips in questions]
    twin.restore(memory.snapshot())
    last = rollout_of(parts.env)
    for one in (memory, twin):
        one.add(last)
    pairs = zip(memory.sample(9, 3, rng(1)), twin.sample(9, 3, rng(1)), strict=True)
    assert len(memory) == len(twin) and all(np.array_equal(a.act, b.act) for p in pairs for a, b in zip(*p, strict=True))


def a_query(parts: Any, cfg: dict[str, Any]) -> None:
    memory, ids = Clips(clips_of(parts.env)), cfg["query"]["clips"]
    held = {id(clip) for clip in memory}
    for n in (0, 1, 4):
        questions = parts.query(memory, n, parts.reward, 7)
        assert len(questions) <= n and (len(questions) == n or n == 0)
        for clips in questions:
            assert len({id(clip) for clip in clips}) == len(clips) == ids and {id(clip) for clip in clips} <= held
        again = parts.query(memory, n, parts.reward, 7)
        assert [[id(c) for c in q] for q in again] == [[id(c) for c in q] for q in questions]
    assert parts.query(Clips(), 4, parts.reward, 7) == []


def a_schedule(parts: Any, cfg: dict[str, Any]) -> None:
    levels = [parts.schedule(step) for step in range(0, 2 * cfg["total_steps"], 16)]
    assert all(isinstance(level, int) for level in levels) and levels == sorted(levels) and levels[0] >= 0
    assert levels == [parts.schedule(step) for step in range(0, 2 * cfg["total_steps"], 16)]  # asking changes nothing
    assert parts.schedule(cfg["total_steps"]) == levels[-1] in (0, cfg["labels"])


def a_tracker(parts: Any, cfg: dict[str, Any]) -> None:
    parts.tracker(128, {"true_return": -1.0})
    parts.tracker(256, {})
    parts.tracker.close()


def a_whole(parts: Any, cfg: dict[str, Any]) -> None:
    """A choice across the groups: its parts fit each other."""
    a_schedule(parts, cfg)
    a_reward(parts, cfg)
    a_query(parts, cfg)


def instantiated(node: dict[str, Any]) -> Any:
    settings = {key: value for key, value in node.items() if not key.startswith("_")}
    return get_class(node["_target_"])(**settings)


CONTRACTS = {
    "agent": an_agent,
    "agent/intrinsic_reward": an_agent,
    "agent/kl_penalty": an_agent,
    "agent/network": an_agent,
    "agent/refit": an_agent,
    "agent/start": an_agent,
    "condition": a_whole,
    "env": an_environment,
    "experiment": a_whole,
    "feedback": a_kind,
    "loop": a_loop,
    "loop/trainer": a_loop,
    "memory": a_memory,
    "query": a_query,
    "recipe": an_agent,
    "reward_model": a_reward,
    "reward_model/augment": a_reward,
    "reward_model/input_scaling": a_reward,
    "reward_model/lipschitz": a_reward,
    "reward_model/loss": a_loss,
    "reward_model/regulariser": a_penalty,
    "schedule": a_schedule,
    "teacher": a_teacher,
    "tracker": a_tracker,
}
