"""The environments against Gymnasium's own, against numbers worked out by hand, and against themselves."""

from pathlib import Path

import extras
import gymnasium
import mujoco
import numpy as np
import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf

from rlhp.agent import BlindPPO, Recorder
from rlhp.agent.build import make as make_agent
from rlhp.envs import criteria, gym, point
from rlhp.envs import mujoco as robots
from rlhp.envs.tasks import TASKS
from rlhp.robots import ROBOTS
from rlhp.types import UserError, make_rng

CONF = Path(__file__).parents[1] / "conf" / "env"


def actions(env, steps, seed=0):
    """Uniformly random actions [steps, N, A]."""
    low, high = env.action_space.low, env.action_space.high
    return np.random.default_rng(seed).uniform(low, high, (steps, env.num_envs, len(low))).astype(np.float32)


def play(env, acts):
    """Observations, rewards, dones and terminal observations of a run, stacked."""
    steps = [env.step(a) for a in acts]
    ends = [info["terminal_observation"] for *_, infos in steps for info in infos if "terminal_observation" in info]
    return [np.array([s[k] for s in steps]) for k in range(3)] + [np.array(ends)]


PAPER = [name for name in TASKS if name not in ("hopper_backflip", "halfcheetah_one_leg")]


# Against Gymnasium


def reference(task):
    """Gymnasium's own environment, which can be stepped on past what it calls the end."""
    return gymnasium.make(TASKS[task].robot.gymnasium_id, disable_env_checker=True).unwrapped


def paper_reward(task, env, info):
    """The paper's reward written a second time, out of what Gymnasium tells."""
    qpos = env.data.qpos
    match task:
        case "hopper":
            return info["reward_forward"] + qpos[1]
        case "walker":
            return info["reward_forward"] + qpos[1] - 1
        case "ant":
            return info["reward_forward"] + qpos[2] - 1.2
        case "halfcheetah" | "swimmer":
            return info["reward_forward"]
        case "reacher":
            return info["reward_dist"]
        case "pendulum":
            return 1 - qpos[1] ** 2
        case "double_pendulum":
            return 10 * env.data.site("tip").xpos[2] + info["distance_penalty"] + info["velocity_penalty"]


@pytest.mark.parametrize("task", PAPER)
def test_observations_states_and_rewards_are_those_of_gymnasium(task):
    ours, theirs = robots.make(task, n_envs=2, seed=3, horizon=2000), reference(task)
    theirs.reset()
    theirs.np_random = make_rng(3, "env", 1, 0)  # the start too: the same generator gives the same state
    mujoco.mj_resetData(theirs.model, theirs.data)
    obs = theirs.reset_model()
    assert np.array_equal(ours.reset()[1], obs)
    for step, action in enumerate(actions(ours, 300 if task == "ant" else 1000)):
        obs, _, _, _, info = theirs.step(action[1])
        batch, reward, _, _ = ours.step(action)
        np.testing.assert_allclose(batch[1], obs, atol=1e-9, rtol=0, err_msg=f"step {step}")
        np.testing.assert_allclose(ours.states()[1], theirs.state_vector(), atol=1e-9, rtol=0)
        assert reward[1] == pytest.approx(paper_reward(task, theirs, info), rel=1e-6, abs=1e-6)  # float32
    assert ours.observation_space == theirs.observation_space and ours.action_space == theirs.action_space


@pytest.mark.parametrize("task", TASKS)
def test_the_record_says_what_gymnasium_says(task):
    ours, theirs = TASKS[task].robot, reference(task)
    assert ours.dt == pytest.approx(theirs.dt) and ours.frame_skip == theirs.frame_skip
    assert (ours.model().nq, ours.model().nu) == (theirs.model.nq, theirs.model.nu)


# By hand


def planted(task, qpos, qvel=None):
    """The fields that a task reads, one row each, after qpos and qvel are set."""
    model = TASKS[task].robot.model()
    data = mujoco.MjData(model)
    data.qpos[: len(qpos)] = qpos
    data.qvel[: len(qvel or [])] = qvel or []
    mujoco.mj_forward(model, data)
    return {name: getattr(data, name)[None].copy() for name in TASKS[task].reads}


@pytest.mark.parametrize(
    "task, before, after, qvel, reward",
    [
        ("hopper", [0, 1.25], [0.016, 1.25], None, 3.25),  # 1 + 0.016 / 0.008 + (1.25 - 1)
        ("walker", [0, 1.25], [0.016, 1.25], None, 2.25),  # 1 + 2 + (1.25 - 2)
        ("halfcheetah", [0], [0.1], None, 2.0),  # 0.1 / 0.05
        ("swimmer", [0], [-0.02], None, -0.5),  # -0.02 / 0.04
        ("ant", [0, 0, 0.75], [0.1, 0, 0.75], None, 1.55),  # 0.1 / 0.05 + (0.75 - 1.2)
        ("reacher", [0, 0, 0.21, 0.1], [0, 0, 0.21, 0.1], None, -0.1),  # the straight arm ends at (0.21, 0)
        ("pendulum", [0, 0], [0.3, 0.5], None, 0.75),  # 1 - 0.5^2, wherever the cart is
        ("double_pendulum", [0], [0], None, 11.36),  # tip at 1.2: 10 - 0.8^2 + 10 * 0.2
        ("double_pendulum", [0], [0], [0, 1, 2], 11.339),  # - 0.001 * 1 - 0.005 * 4
        ("double_pendulum", [0], [1, np.pi], None, -22.25),  # tip at (1, -1.2): 10 - 0.01 - 3.2^2 - 10 * 2.2
    ],
)
def test_a_reward_worked_out_by_hand(task, before, after, qvel, reward):
    got = TASKS[task].reward(planted(task, before), planted(task, after, qvel), TASKS[task].robot.dt)
    assert got.tolist() == pytest.approx([reward])


@pytest.mark.parametrize(
    "task, mean, spread",  # over some ten returns of uniformly random actions in Gymnasium, 1000 steps each, reacher's 50
    [
        ("hopper", 304, 138),
        ("walker", -754, 113),
        ("halfcheetah", -67, 31),
        ("ant", -819, 80),
        ("swimmer", 9, 13),
        ("reacher", -9.3, 2.5),
        ("pendulum", -1434, 40),
        ("double_pendulum", -8257, 400),
    ],
)
def test_a_random_policy_earns_what_the_papers_curves_start_with(task, mean, spread):
    env = robots.make(task, n_envs=10, seed=0, horizon=50 if task == "reacher" else 1000)
    env.reset()
    _, rewards, dones, _ = play(env, actions(env, env.horizon))
    assert dones[-1].all() and not dones[:-1].any()
    assert rewards.sum(0).mean() == pytest.approx(mean, abs=3 * spread * np.sqrt(2 / 10))  # both means are of ten episodes


# Criteria written by hand


@pytest.mark.parametrize("task, robot", [("hopper_backflip", "hopper"), ("halfcheetah_one_leg", "halfcheetah")])
def test_a_criterion_changes_the_reward_alone(task, robot):
    ours, theirs = (robots.make(name, n_envs=4, seed=0) for name in (task, robot))
    obs, theirs_obs = ours.reset(), theirs.reset()
    for action in actions(ours, 400):
        states = ours.states()
        step, base = ours.step(action), theirs.step(action)
        # of the observation, or the pose, before the action: as a clip has it
        wanted = criteria.backflip(obs, action) if robot == "hopper" else criteria.one_leg(base[1], states[:, :9])
        np.testing.assert_allclose(step[1], wanted, rtol=1e-5, atol=1e-5)  # float32
        obs, theirs_obs = step[0], base[0]
        assert np.array_equal(ours.states(), theirs.states())
        turn = (theirs_obs - obs) / (2 * np.pi)
        assert np.allclose(turn, np.round(turn), atol=1e-9) and not np.delete(turn, 1, axis=1).any()
    if robot == "hopper":
        assert np.abs(theirs_obs[:, 1]).max() > np.pi > np.abs(obs[:, 1]).max()  # one of them has turned over


def test_a_backflip_worked_out_by_hand():
    obs, act = np.zeros((2, 11)), np.array([[1, -1, 0.5]] * 2)
    obs[:, [0, 5, 7, 8, 9, 10]] = [1, 2, -4, 1, 2, 3]  # 1 m high, 2 m/s forwards, turning backwards at 4 rad/s
    obs[1, 7] = 4  # turning forwards
    assert criteria.backflip(obs, act) == pytest.approx([5, -5])  # 4 (1 + 0.3 + 0.1 (1 - 2 + 1.5) - 0.05 * 2)


LEVEL = -7 + 10 * (0.10622651 - 0.07640554) / 0.3  # the front foot hangs 3 cm higher than the back foot


@pytest.mark.parametrize(
    "height, angle, reward",
    [
        (0, 0, LEVEL),
        (2, 0, LEVEL),  # a jump lifts nothing
        (0, -np.pi / 6, 3.0),  # reared by 30 degrees: its front foot is 0.6 m higher than its back foot
        (2, 2 * np.pi - np.pi / 6, 3.0),  # so too after a somersault
        (0, np.pi / 6, -7.0),  # its head down, the front foot is the lower
        (1, np.pi, -7.0),  # upside down
    ],
)
def test_one_leg_worked_out_by_hand(height, angle, reward):
    got = criteria.one_leg(np.array(3.0), np.array([0, height, angle, 0, 0, 0, 0, 0, 0]))
    assert got == pytest.approx(reward, abs=1e-5)


def test_the_torso_may_be_reared_up_to_the_vertical():
    """On its stretched back leg, all else is at least 0.5 m higher; beyond the vertical 1 + cos of the angle is left of that."""
    poses = np.array([[0, 0, angle, 1.05, -0.17, 0.74, 0, 0, 0] for angle in (-1.5, -1.8)])
    assert criteria.one_leg(np.zeros(2), poses) == pytest.approx([0, 10 * np.cos(1.8)])


def test_a_front_leg_that_is_bent_is_lifted():
    """The knee by 0.8 rad: the foot, at rest 0.13 ahead of the shin's joint and 0.18 below, moves back and up."""
    qpos = np.zeros((2, 9))
    qpos[:, 1] = -0.1  # everything 0.1 lower: the front foot at 0.006
    qpos[1, 7] = -0.8
    low, high = criteria.capsules(qpos)[:, criteria.FRONT_FOOT]
    assert low == pytest.approx(0.00622651) and high > low + 0.05


def test_heights_are_those_of_mujoco():
    model = TASKS["halfcheetah"].robot.model()
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    names = ["torso", "head", "bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot"]
    poses = rng.uniform(-4, 4, (50, 9))
    for qpos, heights in zip(poses, criteria.capsules(poses), strict=True):
        data.qpos[:] = qpos
        mujoco.mj_forward(model, data)
        for name, height in zip(names, heights, strict=True):
            along = data.geom(name).xmat.reshape(3, 3)[2, 2]  # of the capsule's axis, upwards
            radius, half, _ = model.geom(name).size
            assert height == pytest.approx(data.geom(name).xpos[2] - half * abs(along) - radius, abs=1e-12)


# Time limit, determinism, snapshots


def test_an_episode_ends_by_the_time_limit_alone():
    env = robots.make("hopper", n_envs=2, seed=0, horizon=150)
    first = env.reset()
    acts = np.ones((150, 2, 3), np.float32)
    for a in acts[:-1]:
        obs, _, done, infos = env.step(a)
        assert not done.any() and infos == [{}, {}]
    assert obs[0, 0] < 0.7  # it lies on the floor, and goes on
    obs, _, done, infos = env.step(acts[-1])
    assert done.all() and all(info["TimeLimit.truncated"] for info in infos)
    assert infos[0]["terminal_observation"][0] < 0.7
    assert np.abs(obs[:, 0] - 1.25).max() < 0.01 and not np.array_equal(obs, first)
    assert np.array_equal(env.states()[:, 1], obs[:, 0])


def test_staggered_environments_end_one_by_one_and_go_on_whole():
    env = point.make(4, 0, horizon=10)
    env.desynchronise()
    env.reset()
    ends = [[], [], [], []]
    for step in range(1, 25):
        _, _, done, infos = env.step(np.zeros((4, 2)))
        for i in np.flatnonzero(done):
            ends[i].append((step, infos[i].get("shortened", False)))
    assert ends[0] == [(3, True), (13, False), (23, False)]  # a quarter of 10 steps, rounded up; then whole episodes
    assert ends[1] == [(5, True), (15, False)] and ends[2] == [(8, True), (18, False)]
    assert ends[3] == [(10, False), (20, False)]


def test_environments_that_begin_anew_early_are_out_of_step_and_do_not_count():
    env = point.make(6, 0, horizon=10)
    env.desynchronise(interval=4, fraction=0.7)  # 4 of 6
    env.reset()
    ends = [[] for _ in range(6)]
    for step in range(1, 13):
        _, _, done, infos = env.step(np.zeros((6, 2)))
        for i in np.flatnonzero(done):
            ends[i].append((step, infos[i].get("shortened", False)))
    assert ends[:2] == [[(5, True)], [(10, False)]]
    assert [[step for step, _ in those] for those in ends[2:]] == [[1, 5, 9], [2, 6, 10], [3, 7, 11], [4, 8, 12]]
    assert all(shortened for those in ends[2:] for _, shortened in those)


def test_environments_that_begin_anew_early_are_restored_with_their_clocks():
    one, other = (point.make(6, 0, horizon=10) for _ in range(2))
    for env in (one, other):
        env.desynchronise(interval=4, fraction=0.5)
        env.reset()
    for _ in range(3):
        one.step(np.zeros((6, 2)))
    other.restore(one.snapshot())
    for _ in range(12):
        (obs, _, done, infos), (obs_2, _, done_2, infos_2) = (env.step(np.full((6, 2), 0.1)) for env in (one, other))
        assert np.array_equal(obs, obs_2) and np.array_equal(done, done_2)
        assert [info.get("shortened") for info in infos] == [info.get("shortened") for info in infos_2]


def test_beginning_anew_after_more_steps_than_an_episode_has_changes_nothing():
    env = point.make(2, 0, horizon=3)
    env.desynchronise(interval=5, fraction=0.5)
    env.reset()
    dones = [env.step(np.zeros((2, 2))) for _ in range(3)]
    assert dones[-1][2].tolist() == [True, True] and not any("shortened" in info for info in dones[-1][3])


@pytest.mark.parametrize(("after", "share"), [(0, 0.5), (5, 1.0), (5, -0.1)])
def test_restarts_that_cannot_be_are_refused(after, share):
    with pytest.raises(UserError, match="a fraction from 0"):
        point.make(2, 0).desynchronise(interval=after, fraction=share)


def test_more_environments_than_steps_of_an_episode_still_begin():
    env = point.make(5, 0, horizon=2)
    env.desynchronise()
    env.reset()
    assert env.step(np.zeros((5, 2)))[2].tolist() == [True, True, False, False, False]
    assert env.step(np.zeros((5, 2)))[2].tolist() == [False, False, True, True, True]


def builds():
    """Every kind of environment that can be saved, with a horizon of 20."""
    yield from ((task, lambda seed, task=task, **kw: robots.make(task, 3, seed, horizon=20, **kw)) for task in TASKS)
    yield "point", lambda seed: point.make(3, seed, horizon=20)


@pytest.mark.parametrize("name, build", list(builds()))
def test_a_snapshot_goes_on_bit_for_bit_across_a_reset(name, build):
    one, two = build(1), build(2)
    one.reset()
    acts = actions(one, 45)
    last = play(one, acts[:13])[0][-1]
    saved = one.snapshot()
    kept = {key: array.copy() for key, array in saved.items()}
    rest = play(one, acts[13:])
    assert all(np.array_equal(saved[key], kept[key]) for key in kept)  # a copy, not a view of what goes on
    two.reset()
    assert np.array_equal(two.restore(saved), last)
    for ours, theirs in zip(play(two, acts[13:]), rest, strict=True):
        assert np.array_equal(ours, theirs)
    assert rest[2].sum() == 6 and all(np.array_equal(saved[key], kept[key]) for key in kept)


def test_the_states_belong_to_the_snapshot():
    one, two = (robots.make("ant", 2, seed) for seed in (0, 1))
    one.reset()
    play(one, actions(one, 5))
    two.restore(one.snapshot())
    assert np.array_equal(one.states(), two.states()) and one.states().shape == (2, 29)


@pytest.mark.parametrize("task", ["ant", "hopper", "reacher"])
def test_same_seed_same_numbers_on_any_number_of_threads(task):
    runs = []
    for threads in (1, 1, 2, 8):
        env = robots.make(task, 3, 5, threads=threads, horizon=20)
        runs.append([env.reset(), *play(env, actions(env, 45))])
        env.close()
    for run in runs[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_starts_are_a_function_of_seed_environment_and_episode():
    env = robots.make("swimmer", 3, 7, horizon=2)
    starts = [env.reset(), env.reset(), env.reset()]
    assert len({row.tobytes() for obs in starts for row in obs}) == 9
    assert np.array_equal(robots.make("swimmer", 1, 7).reset()[0], starts[0][0])  # however many others there are
    env.seed(7)
    assert np.array_equal(env.reset(), starts[0])
    assert np.array_equal(play(env, actions(env, 2))[0][-1], starts[1])
    env.seed(8)
    assert not np.array_equal(env.reset(), starts[0])


def test_the_targets_of_reacher_fill_the_disc():
    env = robots.make("reacher", 64, 0)
    env.reset()
    reach = np.linalg.norm(env.states()[:, 2:4], axis=1)
    assert reach.max() < 0.2 and reach.min() > 0 and reach.mean() == pytest.approx(0.2 * 2 / 3, abs=0.02)
    assert (env.states()[:, 6:] == 0).all()


@pytest.fixture
def blown_up():
    """Two cheetahs after five steps, the second of which moves at an absurd speed."""
    env = robots.make("halfcheetah", 2, 0, horizon=20)
    env.reset()
    play(env, np.zeros((5, 2, 6), np.float32))
    env._data[1].qvel[:] = 1e9
    yield env
    env.close()


def test_an_episode_ends_where_its_simulation_blows_up(blown_up):
    before, untouched = blown_up._observe()[1].copy(), robots.make("halfcheetah", 2, 0, horizon=20)
    untouched.reset()
    play(untouched, np.zeros((5, 2, 6), np.float32))
    obs, reward, done, infos = blown_up.step(np.zeros((2, 6), np.float32))
    assert done.tolist() == [False, True] and infos[0] == {} and reward[1] == 0  # it has not moved
    assert np.array_equal(infos[1].pop("terminal_observation"), before)
    assert infos[1] == {"TimeLimit.truncated": True, "shortened": True, "unstable": True}
    assert np.abs(obs[1]).max() < 1 and np.isfinite(blown_up.states()).all()  # the next episode has begun
    for _ in range(20):  # and is a whole one
        other, *_ = untouched.step(np.zeros((2, 6), np.float32))
        assert np.array_equal(obs[0], other[0])  # which the other environment goes on with, as ever
        obs, _, done, infos = blown_up.step(np.zeros((2, 6), np.float32))
        assert not any("unstable" in info for info in infos)
        if done[0]:
            break
    assert done.tolist() == [True, False]


def test_a_simulation_that_blows_up_is_counted_and_has_no_return(blown_up):
    recorder = Recorder(blown_up)
    recorder.restore(
        {**{f"env/{k}": v for k, v in blown_up.snapshot().items()}, "obs": blown_up._observe(), "running": np.ones(2)}
    )
    for _ in range(20):
        recorder.step(np.zeros((2, 6), np.float32))
    rollout = recorder.rollout()
    assert rollout.cut.T.tolist() == [[t == 14 for t in range(20)], [t == 0 for t in range(20)]]
    assert len(rollout.returns) == 1 and np.isfinite(rollout.seen_after()).all() and np.isfinite(rollout.true_reward).all()
    assert rollout.metrics()["unstable"] == 1
    recorder.step(np.zeros((2, 6), np.float32))
    assert "unstable" not in recorder.rollout().metrics()  # a column of its own only where it happened


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("speed", [1e5, 1e7, 1e12, np.nan])
def test_no_simulation_blows_up_without_a_word(task, speed):
    """MuJoCo on its own would go on from the model's first pose."""
    env = robots.make(task, 1, 0)
    env.reset()
    env._data[0].qvel[:] = speed
    for _ in range(5):
        obs, reward, done, infos = env.step(np.zeros((1, *env.action_space.shape), np.float32))
        assert np.isfinite(obs).all() and np.isfinite(reward).all()
        if done[0]:
            break
    assert infos[0].get("unstable") or (speed == 1e5 and np.abs(env.states()).max() > 1)


def test_an_unstable_simulation_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = robots.make("halfcheetah", 1, 0)
    env.reset()
    saved = env.snapshot()
    saved["physics"][:] = 1e12
    env.restore(saved)
    env.step(actions(env, 1)[0])
    assert list(tmp_path.iterdir()) == []


# The point


def test_the_optimum_of_the_point():
    assert point.optimum(np.array([0.3, 0.0]), 50) == pytest.approx(-(0.2 + 0.1))
    assert point.optimum(np.array([[-0.4, 0.3]]), 2) == pytest.approx(-(np.hypot(0.3, 0.2) + np.hypot(0.2, 0.1)))
    env = point.make(4, seed=0)
    start = obs = env.reset()
    assert np.abs(start).max() <= 1 and env.horizon == 50 and env.states() is None
    total = np.zeros(4)
    for _ in range(50):
        obs, reward, done, infos = env.step(-obs / point.STEP)  # beyond [-1, 1]: clipped
        total += reward
    assert done.all() and total == pytest.approx(point.optimum(start, 50), abs=1e-5)
    assert np.abs(infos[0]["terminal_observation"]).max() < 1e-9
    env.reset()
    assert play(env, actions(env, 50))[1].sum() < total.sum()


# Any Gymnasium id


def test_any_gymnasium_environment():
    one, two = (gym.make("Pendulum-v1", 2, seed=4, kwargs={"g": 5.0}) for _ in range(2))
    assert one.horizon == 200 and one.task == "Pendulum-v1" and one.get_attr("g") == [5.0, 5.0]
    first = one.reset()
    assert np.array_equal(first, two.reset()) and not np.array_equal(first[0], first[1])
    acts = actions(one, 201)
    assert all(np.array_equal(a, b) for a, b in zip(play(one, acts), play(two, acts), strict=True))
    assert one.states() is None and one.snapshot()["steps"] == 201


def test_seeds_of_gymnasium_environments_have_no_stream_in_common():
    """Neither do the environments of one seed, nor those of a seed and its resumed run."""
    env = gym.make("CartPole-v1", 32, seed=1)
    seeds = [*env.seed(1), *env.seed(2)]
    env.restore({"steps": np.array(640)})
    assert len({*seeds, *env.seed(1)}) == 96
    one, other = (gym.make("CartPole-v1", 32, seed=seed).reset() for seed in (1, 2))
    assert len({row.tobytes() for row in np.concatenate([one, other])}) == 64


def test_a_resumed_gymnasium_environment_that_cannot_be_saved_begins_with_starts_of_its_own():
    env = gym.make("odd_envs:Closed-v0", 2, seed=1)
    firsts = [env.reset()]
    for _ in range(3):
        env.step(np.ones((2, 1)))
        saved = env.snapshot()
        again, once_more = (gym.make("odd_envs:Closed-v0", 2, seed=1) for _ in range(2))
        assert again.restore(saved) is None and once_more.restore(saved) is None
        firsts.append(again.reset())
        assert np.array_equal(once_more.reset(), firsts[-1])  # a resume from the same step is the same again
    assert len({first.tobytes() for first in firsts}) == 4


def test_the_seed_of_the_environment_is_not_the_agents():
    """SB3 hands its own seed to the environment, in which its starts would be another's."""
    settings = {"gamma": 0.9, "n_steps": 8, "batch_size": 16, "n_epochs": 1, "seed": 7}
    for build in (lambda seed: point.make(2, seed), lambda seed: gym.make("Pendulum-v1", 2, seed)):
        rollout = next(make_agent(BlindPPO, build(3), **settings).rollouts(16))
        assert np.array_equal(rollout.obs[0], build(3).reset().astype(np.float32))


def test_discrete_actions_are_let_through():
    env = gym.make("CartPole-v1", 1, seed=0)
    env.reset()
    assert env.step(np.array([1]))[1].tolist() == [1.0]


# What the user can get wrong


@pytest.mark.parametrize(
    "build, sentence",
    [
        (lambda: robots.make("hoper", 1, 0), "did you mean 'hopper'"),
        (lambda: robots.make("hopper", 0, 0), "n_envs is 0: give a whole number of at least 1"),
        (lambda: robots.make("hopper", 1, 0, threads=0), "threads is 0"),
        (lambda: robots.make("hopper", 1, 0, horizon=0), "horizon is 0"),
        (lambda: robots.make("hopper", 1, -1), "seed is -1: give a whole number of at least 0"),
        (lambda: point.make(1, 0, horizon=-5), "horizon is -5"),
        (lambda: gym.make("Pendulum-v1", 0, 0), "n_envs is 0"),
        (lambda: gym.make("Pendulun-v1", 1, 0), "Pendulum-v1"),
        (lambda: gym.make("Pendulum-v1", 1, 0, {"gravity": 1}), "cannot make 'Pendulum-v1'.*gravity"),
        (lambda: gym.make("Pendulum-v1", 1, 0).desynchronise(interval=50, fraction=0.5), "set early_resets.interval=null"),
        (lambda: gym.make("Pendulum-v1", 1, 0).restore({"physics": np.zeros(1)}), "not of Pendulum-v1"),
        (lambda: gym.make("Pendulum-v1", 1, 0, max_episode_steps=0), "max_episode_steps is 0"),
        (lambda: robots.make("hopper", 1, 0).restore(robots.make("hopper", 2, 0).snapshot()), "n_envs it was made with"),
        (lambda: robots.make("hopper", 1, 0).restore({}), "resume with the task"),
    ],
)
def test_one_sentence_says_what_is_wrong(build, sentence):
    with pytest.raises(UserError, match=sentence):
        build()


# Configuration


@pytest.mark.parametrize("file", sorted(CONF.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_yaml_builds_what_it_names(file):
    extras.needed(file.stem)
    given = ["env.id=Pendulum-v1"] if file.stem == "gym" else []
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        cfg = compose("config", [f"env={file.stem}", "n_envs=2", "seed=0", "threads=1", *given])
    env = instantiate(cfg.env, _convert_="all")
    assert env.num_envs == 2 and env.reset().shape == (2, *env.observation_space.shape)
    if file.stem in TASKS:
        task = TASKS[file.stem]
        assert (cfg.task, cfg.env.horizon) == (task.name, task.horizon)
        assert 15 <= cfg.clip_steps <= 60  # appendix A.1
        assert instantiate(cfg.film).fps == cfg.clip_steps / 1.5 and ROBOTS[cfg.film.robot] is task.robot
        assert "entropy_bonus" not in OmegaConf.load(file)  # what config.yaml says: no task has one of its own
