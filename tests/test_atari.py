"""The Atari games against ale-py's own vector environment, against pokes into the console's memory, and against themselves."""

import os
import signal
import subprocess
import sys
import time
from functools import cache

import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv

from rlhp.atari import GAMES, colour_frames, find, hide, replay
from rlhp.atari.criteria import SPEED, pace
from rlhp.atari.emulator import SCREEN, Emulator
from rlhp.envs.atari import make
from rlhp.types import UserError
from rlhp.workers import Workers

SEVEN = [name for name in GAMES if name != "enduro_pace"]
SHORT = 240  # native frames: games of at most 60 steps
# The bytes of RAM that hold what is hidden, as two decimal digits each (Pong: one number, Breakout's first byte: one digit)
HIDDEN = {
    "beamrider": (9, 10, 11, 84),
    "breakout": (76, 77),
    "enduro": (40, 41, 42, 43, 44, 45),
    "pong": (13, 14),
    "qbert": (89, 90, 91),
    "seaquest": (56, 57, 58),
    "spaceinvaders": (102, 104),
}
each_game = pytest.mark.parametrize("name", SEVEN)


def actions(env, steps, seed=0):
    return np.random.default_rng(seed).integers(env.action_space.n, size=(steps, env.num_envs))


def play(env, acts):
    """Of every step: frames, rewards, dones, infos, states."""
    return [(*env.step(act), env.states()) for act in acts]


def same(one, two):
    return all(a[3] == b[3] and all(np.array_equal(a[k], b[k]) for k in (0, 1, 2, 4)) for a, b in zip(one, two, strict=True))


@cache
def emulator_of(name, masks=None):
    """One for all tests, each of which begins a game or loads a state: inserting a ROM takes a tenth of a second."""
    return Emulator(GAMES[name], masks=masks)


def started(name, steps, seed=0, masks=None):
    """The emulator after a random policy has played for some steps."""
    emulator, rng = emulator_of(name, masks), np.random.default_rng(seed)
    emulator.begin(int(rng.integers(31)))
    for action in rng.integers(len(emulator.moves), size=steps):
        emulator.step(action)
        if emulator.over:
            emulator.begin(0)
    return emulator


# Against ale-py


@each_game
def test_frames_rewards_and_ends_are_those_of_ale_pys_own_environment(name):
    game = GAMES[name]
    theirs = AtariVectorEnv(game.rom, 1, reward_clipping=False, use_fire_reset=False, stack_num=1, noop_max=0)
    ours, frame = emulator_of(name, ()), np.zeros((84, 84), np.uint8)
    expected, _ = theirs.reset(seed=1)
    ours.begin(0)
    ours.draw(frame)
    assert np.array_equal(frame, expected[0, 0])
    for action in np.random.default_rng(0).integers(len(ours.moves), size=400):
        expected, reward, over, _, _ = theirs.step(np.array([action]))
        assert ours.step(action) == reward[0] and ours.over == over[0]
        if ours.over:  # what comes after a reset of theirs depends on the game before
            break
        ours.draw(frame)
        assert np.array_equal(frame, expected[0, 0])
    theirs.close()


# The environment


@each_game
def test_a_restored_run_goes_on_bit_for_bit_across_the_end_of_a_game(name):
    env, twin = make(name, 1, seed=3, max_frames=SHORT), make(name, 1, seed=8, max_frames=SHORT)
    env.reset()
    acts = actions(env, 170)
    play(env, acts[:40])
    saved = env.snapshot()
    rest = play(env, acts[40:])
    assert sum("cut" in info for step in rest for info in step[3]) >= 2
    assert np.array_equal(twin.restore(saved), saved["frame"]) and same(play(twin, acts[40:]), rest)
    assert np.array_equal(env.restore(saved), saved["frame"]) and same(play(env, acts[40:]), rest), "in the same object too"


def test_numbers_do_not_depend_on_the_number_of_workers():
    runs = []
    for threads in (1, 2):
        env = make("breakout", 3, seed=1, threads=threads, max_frames=SHORT)
        first = env.reset()
        steps = play(env, actions(env, 70))
        steps += play(env, actions(env, 5)) if np.array_equal(env.restore(env.snapshot()), steps[-1][0]) else []
        runs.append((first, steps))
        env.close()
    assert len(runs[0][1]) == 75
    assert np.array_equal(runs[0][0], runs[1][0]) and same(runs[0][1], runs[1][1])


def test_a_game_is_a_pure_function_of_seed_environment_and_number():
    """Whatever was played before, and beside."""
    one, two = make("beamrider", 1, seed=5), make("beamrider", 3, seed=5)
    one.reset()
    two.reset()
    play(one, actions(one, 200))
    again, other = one.reset(), two.reset()
    assert np.array_equal(one.states()[0], two.states()[0]) and np.array_equal(again[0], other[0])
    assert len({state.tobytes() for state in two.states()}) == 3, "each environment has its own number of no-ops"
    one.seed(5)
    first = one.reset()
    one.seed(6)
    assert not np.array_equal(first, one.reset())


def test_the_end_of_a_game_is_hidden_and_its_score_told():
    """Pong without a move is lost 0 : 21; the next game is the one that a reset would begin."""
    env = make("pong", 1, seed=0)
    env.reset()
    score = None
    while score is None:
        obs, reward, done, (info,) = env.step(np.zeros(1, int))
        score = info.get("score")
        assert not done[0] and ("cut" in info) == (score is not None)
    assert score == -21 and info == {"cut": True, "score": -21} and reward[0] == -1
    fresh = make("pong", 1, seed=0)
    fresh.reset()
    assert np.array_equal(obs, fresh.reset()) and np.array_equal(env.states(), fresh.states())


def test_the_limit_of_frames_cuts_a_game_without_a_penalty():
    env = make("breakout", 2, seed=0, no_ops=0, max_frames=80)
    env.reset()
    cuts = [[bool(info) for info in env.step(np.zeros(2, int))[3]] for _ in range(60)]
    assert env.horizon == 20 and np.flatnonzero([c[0] for c in cuts]).tolist() == [19, 39, 59]
    assert env.step(np.zeros(2, int))[1].tolist() == [0, 0]


def lost_life(**settings):
    """Rewards of Breakout played at random until the game is over, and its score."""
    env = make("breakout", 1, seed=0, **settings)
    env.reset()
    rewards, rng = [], np.random.default_rng(0)
    while True:
        _, reward, _, (info,) = env.step(rng.integers(4, size=1))
        rewards.append(float(reward[0]))
        if info:
            return rewards, info["score"]


def test_penalties_are_the_teachers_alone():
    plain, score = lost_life(game_over_penalty=0.0)
    assert sum(plain) == score > 0, "bricks of the lower rows are worth a point"
    ended, same_score = lost_life()
    assert same_score == score and ended[:-1] == plain[:-1] and ended[-1] == plain[-1] - 1
    dear, _ = lost_life(game_over_penalty=0.5, life_loss_penalty=2.0)
    assert sum(dear) == score - 0.5 - 5 * 2.0


def test_a_reward_is_the_sign_of_the_points_or_the_points():
    signed, full = make("spaceinvaders", 1, 0), make("spaceinvaders", 1, 0, clip_rewards=False)
    signed.reset()
    full.reset()
    acts = actions(full, 250)
    points = np.array([full.step(act)[1][0] for act in acts])
    assert set(points) > {0, 5} and np.array_equal([signed.step(act)[1][0] for act in acts], np.sign(points))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"task": "pnog"}, "did you mean 'pong'"),
        ({"n_envs": 0}, "n_envs is 0"),
        ({"no_ops": -1}, "no_ops is -1"),
        ({"max_frames": 20}, "at least 34"),
        ({"life_loss_penalty": -1.0}, "at least 0"),
    ],
)
def test_one_sentence_says_what_is_wrong(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        make(**{"task": "pong", "n_envs": 1, "seed": 0, **settings})


def test_what_does_not_fit_is_refused():
    env = make("pong", 2, 0)
    with pytest.raises(UserError, match=r"early_resets\.interval=null"):
        env.desynchronise(interval=50)
    env.desynchronise()
    with pytest.raises(UserError, match="resume with the task and n_envs"):
        env.restore(make("qbert", 2, 0).snapshot())
    with pytest.raises(ValueError, match="from 0 to 5"):
        env.step(np.array([0, 6]))


# Processes


def test_a_worker_that_dies_is_told_in_a_sentence_and_ends_the_others():
    env = make("pong", 2, 0, threads=2)
    env.reset()
    processes = env._players._processes
    processes[1].kill()
    processes[1].wait()
    with pytest.raises(UserError, match="threads=1"):
        env.step(np.zeros(2, int))
    assert all(process.poll() is not None for process in processes)
    env.close()


def test_what_a_worker_raises_comes_with_where_it_happened():
    env = make("pong", 2, 0, threads=2)
    env.reset()
    env._block.action[:] = 99  # past the check of what agents ask for
    env._players.start(b"s")
    with pytest.raises(RuntimeError, match="IndexError"):
        env.step_wait()


def test_workers_end_with_whoever_began_them():
    code = (
        "import sys; from rlhp.envs.atari import make; env = make('pong', 2, 0, threads=2); env.reset();"
        "print(*(p.pid for p in env._players._processes), flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while any(map(alive, pids)):  # pytest's time limit is what fails
        time.sleep(0.01)
    parent.stdin.close()
    parent.stdout.close()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:  # a zombie waits for its new parent
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_a_worker_imports_nothing_heavy():
    heavy = "{'torch', 'mujoco', 'stable_baselines3', 'hydra'}"
    code = f"import sys, rlhp.atari.workers, rlhp.workers; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == ""


def test_workers_are_let_go_with_the_environment():
    env = make("pong", 2, 0, threads=2)
    assert isinstance(env._players, Workers)
    processes = env._players._processes
    del env
    assert all(process.wait() == 0 for process in processes)


# What is hidden


def boxes(name):
    """Which native pixels lie in a mask's box."""
    inside = np.zeros(SCREEN, bool)
    for mask in GAMES[name].masks:
        inside[mask.top : mask.bottom, mask.left : mask.right] = True
    return inside


def digits(name, byte, rng):
    """A value that the byte can have."""
    if name == "pong":
        return int(rng.integers(21))
    if byte == 84 and name == "beamrider":
        return int(rng.integers(1, 16))
    return int(16 * rng.integers(1 if byte == 76 else 10) + rng.integers(10))


def poked(emulator, state, acts, pokes=()):
    """Native grey frames, masked if the emulator masks, after a state with some bytes changed."""
    emulator.load(state)
    for byte, value in pokes:
        emulator.ale.setRAM(byte, value)
    seen = []
    for act in acts:
        emulator.step(act)
        seen.append(emulator._grey.copy())
    return np.concatenate(seen)


def in_colour(name: str, state: np.ndarray, acts: np.ndarray) -> np.ndarray:
    """A clip as people see it, [L, 210, 160, 3]."""
    return np.stack(list(colour_frames(GAMES[name], state, acts)))


@each_game
def test_no_pixel_that_anybody_sees_depends_on_the_score(name):
    """Neither in the agent's frames nor in a person's clip; without masks it changes pixels, in the boxes alone."""
    rng, changed = np.random.default_rng(0), np.zeros(SCREEN, bool)
    for seed, steps in enumerate((20, 100, 200)):
        masked, bare = started(name, steps, seed), emulator_of(name, ())
        state = masked.save()
        acts = rng.integers(len(bare.moves), size=3)
        whole, seen = poked(bare, state, acts), poked(masked, state, acts)
        shown = in_colour(name, state, acts)
        for byte in HIDDEN[name]:
            pokes = [(byte, digits(name, byte, rng))]
            assert np.array_equal(poked(masked, state, acts, pokes), seen), f"byte {byte} of {name}"
            masked.load(state)
            masked.ale.setRAM(*pokes[0])
            assert np.array_equal(in_colour(name, masked.save(), acts), shown), "nor in a person's clip"
            changed |= (poked(bare, state, acts, pokes) != whole).any(axis=0)
    assert changed.any() and not (changed & ~boxes(name)).any()


@each_game
def test_nothing_but_the_boxes_is_hidden(name):
    masked, bare = started(name, 150), started(name, 150, masks=())
    outside = ~boxes(name)
    for action in np.random.default_rng(1).integers(len(bare.moves), size=40):
        masked.step(action)
        bare.step(action)
        assert np.array_equal(masked._grey[:, outside], bare._grey[:, outside])
        assert (masked._grey <= bare._grey).all(), "hidden is black"


@pytest.mark.parametrize("round", [0, 1, 2, 4, 7])
def test_qberts_digits_are_hidden_in_every_colour_and_the_player_is_not(round):
    emulator = started("qbert", 100)
    state = emulator.save()
    hidden = []
    for score in (0x11, 0x88):
        emulator.load(state)
        emulator.ale.setRAM(99, round)  # the round: digits have the colour that its cubes are to get
        emulator.ale.setRAM(91, score)
        emulator.step(0)
        hidden.append(emulator._grey.copy())
    assert np.array_equal(*hidden)


def test_what_passes_in_front_of_digits_stays():
    colours, picture = np.full(SCREEN, 26, np.uint8), np.full(SCREEN, 9, np.uint8)
    colours[8, 40] = 52  # a pixel of the player
    hide(picture, colours, GAMES["qbert"].masks)
    assert np.argwhere(picture[6:13, 34:71]).tolist() == [[2, 6]] and picture[:6].all() and picture[:, 71:].all()


# Clips


@each_game
def test_a_clip_in_colour_is_what_its_actions_led_to(name):
    emulator = started(name, 90)
    state, acts = emulator.save(), np.random.default_rng(3).integers(len(emulator.moves), size=12)
    clip = in_colour(name, state, acts)
    assert clip.shape == (12, *SCREEN, 3) and clip.dtype == np.uint8
    masks = boxes(name)
    for picture, act in zip(clip, acts, strict=True):
        emulator.step(act)
        last = emulator.ale.getScreenRGB()
        assert (picture >= np.where(masks[..., None], 0, last)).all(), "the brighter of two frames"
    assert np.array_equal(in_colour(name, state, acts), clip), "drawing leaves nothing behind"


@pytest.mark.parametrize("name", ["pong", "qbert"])
def test_a_long_clip_is_drawn_a_stretch_at_a_time_while_others_are_drawn(name, monkeypatch):
    emulator = started(name, 90)
    state, acts = emulator.save(), np.random.default_rng(3).integers(len(emulator.moves), size=9)
    whole = in_colour(name, state, acts)
    monkeypatch.setattr(replay, "STRETCH", 4)
    one, two = colour_frames(GAMES[name], state, acts), colour_frames(GAMES[name], state, acts)
    for picture in whole:
        assert np.array_equal(next(one), picture) and np.array_equal(next(two), picture)
    assert next(one, None) is None


# Enduro's pace


def drive(choose, steps=300):
    """Mean reward of a policy that reads the console's memory."""
    env = make("enduro_pace", 1, seed=0)
    env.reset()
    ram, total = env._players._work._emulators[0].ale.getRAM, 0.0
    for _ in range(steps):
        total += float(env.step(np.array([choose(ram())]))[1][0])
    return total / steps


def beside(ram):
    """Let cars catch up, and stay with one; accelerate, brake, or neither."""
    wanted = 24 if ram[27:29].any() else 20
    return 1 if ram[SPEED] < wanted else 4 if ram[SPEED] > wanted + 2 else 0


def test_keeping_pace_pays_and_neither_racing_nor_standing_does():
    assert drive(beside) > 0.8 and drive(lambda ram: 1) < 0.3 and drive(lambda ram: 0) < 0.3


def test_pace_by_hand():
    ram = np.zeros(128, np.uint8)
    assert pace(ram, ram) == 0
    ram[SPEED] = 24
    assert pace(ram, ram) == 0.5
    ram[27] = 100  # a car beside
    assert pace(ram, ram) == 1
    ram[27], ram[33], ram[SPEED] = 0, 9, 12  # half the speed, a car at the horizon
    assert pace(ram, ram) == pytest.approx(0.5 * (1 + 1 / 7) / 2)
    ram[SPEED] = 60
    assert pace(ram, ram) == 0


def test_games_are_found_by_name():
    assert find("seaquest").rom == "seaquest" and find("pong").game_over_penalty == 0
    assert len(SEVEN) == 7 and all(GAMES[name].game_over_penalty == 1 for name in SEVEN if name != "pong")


def test_a_snapshot_of_another_game_is_refused() -> None:
    """The states of some games have the same size."""
    qbert, breakout = (make(game, 1, seed=0) for game in ("qbert", "breakout"))
    qbert.reset()
    with pytest.raises(UserError, match="resume with"):
        breakout.restore(qbert.snapshot())
