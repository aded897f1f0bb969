"""Scores of whole clips, on clips made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rlhp.behaviours import HALFCHEETAH, HOPPER, backflip, flips, on_the_floor, one_leg, turn_from_the_foot
from rlhp.types import Array, Segment, UserError

STANDS, HIGH, LIES = 1.209, 2.5, 0.05  # heights of Hopper's torso, in metres: foot on the floor, in the air, body on the floor


def clip(states: Array) -> Segment:
    steps = np.zeros((len(states), 1), np.float32)
    return Segment(steps, steps, np.zeros(len(states), np.float32), states)


def hopper(*steps: tuple[float, float]) -> Segment:
    """A clip from the torso's height and the backward turns so far, at each step."""
    states = np.zeros((len(steps), 12))
    states[:, 1], states[:, 2] = (np.array(column) for column in zip(*steps, strict=True))
    states[:, 2] *= -2 * np.pi
    return clip(states)


def halfcheetah(speed: float, height: float, pitch: float, steps: int = 5) -> Segment:
    """A clip of one pose with straight joints, moving at `speed` in m/s; `height` in m and `pitch` in rad as in qpos."""
    states = np.zeros((steps, 18))
    states[:, 0] = speed * HALFCHEETAH.dt * np.arange(steps)
    states[:, 1:3] = height, pitch
    return clip(states)


LANDED = hopper((STANDS, 0), (HIGH, 0.3), (HIGH, 0.7), (STANDS, 1))
FALLEN = hopper((STANDS, 0), (HIGH, 0.3), (HIGH, 0.8), (LIES, 0.9))
JUMPED = hopper((STANDS, 0), (HIGH, 0), (HIGH, 0), (STANDS, 0))
STOOD = hopper(*[(STANDS, 0)] * 4)
LAY = hopper(*[(LIES, 0.25)] * 4)
SWUNG = hopper((STANDS, 0), (HIGH, 0.3), (HIGH, 0.2), (STANDS, 0))
ROLLED = hopper((LIES, 0.25), (LIES, 0.5), (LIES, 0.75), (LIES, 1))
ROSE = hopper((STANDS, 0), (STANDS, 0.12), (LIES, 0.25), (STANDS, 0))  # falls backwards and gets up again, which is no turn
MIDAIR = hopper((HIGH, 0.3), (HIGH, 0.6), (STANDS, 1))
FORWARDS = hopper((STANDS, 0), (HIGH, -0.3), (HIGH, -0.7), (STANDS, -1))


@pytest.mark.parametrize(
    "shown, score",
    [
        (LANDED, 1 + 0.5 + 1 + 0.1 * 2 / 4),
        (FALLEN, 0.8 + 0.5 + 0.1 * 2 / 4 - 0.5 / 4),
        (JUMPED, 0.1 * 2 / 4),
        (STOOD, 0),
        (LAY, -0.5),
        (ROLLED, -0.5),
        (ROSE, 0.1 * 1 / 4 - 0.5 / 4),
        (MIDAIR, 0.1 * 2 / 3),  # the clip does not show where the turn began
        (FORWARDS, -1 + 0.1 * 2 / 4),
        (SWUNG, 0.1 * 2 / 4),  # back and forth
    ],
)
def test_a_backflip_is_scored(shown, score):
    assert backflip(shown) == pytest.approx(score)


def test_a_landed_backflip_beats_a_fall_beats_a_jump_beats_lying():
    scores = [backflip(shown) for shown in (LANDED, FALLEN, JUMPED, STOOD, LAY)]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 5


@pytest.mark.parametrize(
    "turns, touching, found",
    [
        ([0, 0.5, 1], "f f", (True, True)),
        ([0, 0.5, 1], "fff", (True, True)),
        ([0, 0.5, 0.76], "f  ", (True, False)),
        ([0, 0.5, 0.74], "f  ", (False, False)),
        ([0, 0.5, 0.74, 0.9], "f  f", (True, True)),  # lands leaning back by 36 degrees
        ([0, 0.5, 0.8], "f f", (True, False)),  # lands leaning by 72 degrees: not upright
        ([0, 0.5, 1, 1.0], "f of", (False, False)),  # a fall ends the turn
        ([0, 0.2, 0.3, 1.1], "o  f", (True, True)),  # the turn counts from after the fall
        ([0, 0.5, 0.7, 1.1], "o  f", (False, False)),  # 0.6 of a turn since then
        ([0, -0.5, -1], "f f", (False, False)),
        ([0, 0.5, 0, 0.5, 0], "f   f", (False, False)),
        ([0, 0.5, 1], "f b", (False, False)),  # lands on foot and torso
        ([0, 0.5, 1], "ooo", (False, False)),  # a roll on the floor
    ],
)
def test_a_flip_and_its_landing(turns, touching, found):
    foot, fallen = (np.array([there in kinds for there in touching]) for kinds in ("fb", "ob"))
    assert flips(-2 * np.pi * np.array(turns), foot, fallen) == found


@pytest.mark.parametrize(
    "turns, touching, turn",
    [
        ([0, 0.5, 1], "f f", 1),
        ([0, 0.5, 1], "f  ", 1),  # not landed yet
        ([0.2, 0.5, 1], "f f", 0),  # takes off leaning by 72 degrees: the only stance is the landing
        ([0, 0.5, 0.8, 1], "f of", 0.5),  # up to the fall, and not from it to the stance
        ([0, 0.5, 0.8, 1, 1.5], "f of ", 0.5 + 0.5),  # two spells
        ([0, 0.5, 1], "  f", 0),  # no stance before the turn
        ([0, -0.5, -1], "f f", -1),
        ([0, 0.4, 0], "f f", 0),
        ([0, 0.5, 1], "ooo", 0),
    ],
)
def test_a_turn_counts_from_a_stance_to_the_next_fall(turns, touching, turn):
    foot, fallen = (np.array([there in kinds for there in touching]) for kinds in ("fb", "ob"))
    assert turn_from_the_foot(-2 * np.pi * np.array(turns), foot, fallen) == pytest.approx(2 * np.pi * turn)


@pytest.mark.parametrize(
    "shown, score",
    [
        (halfcheetah(2, 0, -0.3), 1 * 3 + 0.2),  # back foot alone, at 2 m/s: fast enough
        (halfcheetah(0.5, 0, -0.3), 1 * 2.5 + 0.1),
        (halfcheetah(0, 0, -0.3), 2),
        (halfcheetah(-3, 0, -0.3), 1 - 0.2),
        (halfcheetah(2, 0.3, 0), 0.2 - 0.5),  # in the air
        (halfcheetah(2, -0.15, 0), 0.2),  # on both feet
        (halfcheetah(2, 0.8, np.pi), 0.2 - 0.5 - 1),  # upside down in the air
        (halfcheetah(2, 0, -0.3, steps=1), 2),  # one step shows no speed
    ],
)
def test_going_on_one_leg_is_scored(shown, score):
    assert one_leg(shown) == pytest.approx(score)


def test_what_touches_the_floor():
    states = np.zeros((3, 1, 12))
    # stands (its foot's lowest point is 1.21 below), is in the air, lies on its back and heel
    states[:, 0, 1] = [1.209, 1.5, 0.04]
    states[2, 0, 2] = -np.pi / 2
    touch = on_the_floor(HOPPER, states)
    assert touch["foot_geom"][:, 0].tolist() == [True, False, True] and touch["torso_geom"][:, 0].tolist() == [False, False, True]
    assert "floor" not in touch


@pytest.mark.parametrize("score, robot", [(backflip, "Hopper-v5"), (one_leg, "HalfCheetah-v5")])
@pytest.mark.parametrize("states", [None, np.zeros((3, 17)), np.zeros((3, 4, 4, 3), np.uint8)])
def test_clips_of_another_robot_are_refused(score, robot, states):
    steps = np.zeros((3, 1), np.float32)
    with pytest.raises(UserError, match=f"judged on clips of {robot}; choose env or clip_score"):
        score(Segment(steps, steps, np.zeros(3, np.float32), states))
