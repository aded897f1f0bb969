"""What is observed becomes one array, and networks take it apart again."""

import pickle

import gymnasium
import numpy as np
import odd_envs
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import NatureCNN

from rlhp.agent import ImageEncoder, PartsEncoder
from rlhp.agent.encoders import NATURE
from rlhp.envs import gym
from rlhp.envs.gym import observation
from rlhp.pixels import apart, fits, fitting
from rlhp.types import ImagesAndVector, UserError, is_image, numbers, seen_space, with_numbers

RGB = spaces.Box(0, 255, (3, 2, 2), np.uint8)
REAL = spaces.Box(-1, 1, (1, 2, 2), np.float32)


def image(*shape: int, dtype: type = np.uint8, low: float = 0, high: float = 255) -> spaces.Box:
    return spaces.Box(low, high, shape, dtype)


def vecs(n: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, (n,), np.float32)


# One array


def test_choices_are_one_hot_and_numbers_are_as_they_are():
    space, seen = odd_envs.OBSERVED["Nested"]
    reading = observation.read(space)
    assert reading is not None
    got = reading.array(seen(3.0, 4))  # t = 4: t % 2 = 0, t % 3 = 1
    matrix, bits, pair, choice = [3, 0.04, 1, 2], [1, 0, 0], [1, 0, 0, 1, 0], [0, 1, 0]
    assert np.allclose(got, [*matrix, *bits, *pair, *choice]) and got.dtype == np.float32
    assert reading.space.shape == (15,) and reading.space.low.tolist() == [-10] * 4 + [0] * 11
    assert reading.space.contains(got)


@pytest.mark.parametrize(
    "name", [name for name in odd_envs.OBSERVED if name not in ("Huge", "Mission", "Text", "Liar", "Missing")]
)
def test_environments_observe_what_their_space_says(name):
    env = gym.make(f"odd_envs:{name}-v0", 2, 0)
    for obs in (env.reset(), env.step(np.ones((2, 1), np.float32))[0]):
        assert obs.dtype == env.observation_space.dtype and all(env.observation_space.contains(row) for row in obs)
    env.close()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Image", (16, 16, 3)),
        ("First", (3, 16, 16)),
        ("Grey", (1, 16, 16)),  # as SB3 wants it
        ("Deep", (1, 20, 20, 24)),  # which SB3 would take for 20 channels of 20 x 24
        ("Real", (16, 16, 1)),
        ("OneKey", (16, 16, 3)),
        ("Number", (1,)),
        ("Board", (4, 4, 2)),
        ("Ram", (6,)),
    ],
)
def test_one_array_stays_as_it_is_where_networks_can_read_it(name, shape):
    space, seen = odd_envs.OBSERVED[name]
    reading = observation.read(space)
    box = space if reading is None else reading.space
    assert box.shape == shape
    if reading is not None:
        assert np.array_equal(reading.array(seen(2.0, 3)).ravel(), np.ravel(next(observation.leaves(space)).of(seen(2.0, 3))))


def test_a_grey_image_of_a_stack_stays_as_it_is():
    assert observation.read(image(16, 16), stack=4) is None


def test_images_beside_numbers_are_packed_without_loss():
    space, seen = odd_envs.OBSERVED["Camera"]
    reading = observation.read(space)
    assert reading is not None and isinstance(reading.space, ImagesAndVector)
    packed, (obs) = reading.array(seen(2.0, 7)), seen(2.0, 7)
    assert packed.dtype == np.uint8 and packed.shape == (3 * 16 * 16 + 4 * 6,)
    pixels, vector = apart(torch.from_numpy(packed[np.newaxis]), reading.space)
    assert np.array_equal((255 * pixels[0][0]).round().byte().numpy(), np.moveaxis(obs["camera"], 2, 0))
    assert np.allclose(vector[0], [0, 1, 0, 2, 0.07, 1])


def test_an_environment_that_observes_parts_can_be_pickled():
    made = observation.factory(lambda: gymnasium.make("odd_envs:Camera-v0", disable_env_checker=True), 1)()
    made.reset(seed=0)
    again = pickle.loads(pickle.dumps(made))
    assert np.array_equal(again.step(np.ones(1, np.float32))[0], made.step(np.ones(1, np.float32))[0])


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (spaces.Graph(spaces.Discrete(3), spaces.Discrete(2)), "a Graph, which is not one of Box"),
        (spaces.Sequence(spaces.Discrete(3)), "a Sequence"),
        (spaces.Tuple([spaces.Discrete(3), spaces.Text(4)]), r"1 of its observations is a Text.*filter_keys: \[0\]"),
        (spaces.Discrete(10**6), "take 4,000,000 bytes"),
        (spaces.Dict(), "take 0 bytes"),
        (spaces.Dict(a=image(200, 200, 3), b=image(100, 100, 3)), "take 150,000 bytes.*FilterObservation"),
    ],
)
def test_what_cannot_be_one_array_is_said(space, sentence):
    with pytest.raises(UserError, match=sentence):
        observation.check("mine-v0", space)


def test_frames_that_an_environment_stacks_are_noted():
    def stacking(name: str) -> gym.GymVecEnv:
        return gym.make(name, 1, 0, wrappers=[{"gymnasium.wrappers.FrameStackObservation": {"stack_size": 3}}])

    env = stacking("odd_envs:Grey-v0")
    assert env.observation_space.shape == (3, 16, 16)
    assert len(env.notes) == 1 and "env.stack=3 instead of FrameStackObservation shows" in env.notes[0]
    assert not stacking("odd_envs:Plain-v0").notes


# What an image is


@pytest.mark.parametrize(
    ("space", "is_one"),
    [
        (image(64, 64, 3), True),
        (image(3, 64, 64), True),
        (image(4, 84, 84, 3), True),
        (image(16, 16, 3), True),
        (image(7, 7, 3), False),  # cells of MiniGrid
        (image(10, 10, 4, dtype=bool, high=1), False),  # a screen of MinAtar
        (image(84, 84), True),
        (image(7, 7), False),  # a board
        (image(4, 128), False),  # four frames of an Atari's memory
        (image(128), False),
        (image(4, 4, 3), False),
        (image(64, 64, 3, dtype=np.float32, high=1), True),
        (image(64, 64, dtype=np.float32, high=1), True),
        (image(10, 10, dtype=np.float32, high=1), False),  # may be any table
        (image(30, 30, dtype=np.float32, low=-7, high=7), False),
        (image(20, 20, 4, dtype=bool, high=1), True),
        (image(64, 64, 3, dtype=np.float32, high=np.inf), False),
        (spaces.Box(np.zeros((19, 19, 2), np.float32), np.arange(722, dtype=np.float32).reshape(19, 19, 2) + 1), False),
        (spaces.Discrete(3), False),
    ],
)
def test_images_are_told_from_tables(space, is_one):
    assert is_image(space) == is_one


# Packed


def test_bytes_hold_images_and_then_a_vector():
    space = ImagesAndVector([RGB, REAL], 2)
    rgb, real, vector = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.full((1, 2, 2), -0.5, np.float32), np.array([1.5, -2])
    packed = space.pack([rgb, real], vector)
    assert space.shape == (12 + 16 + 8,) and packed[:12].tolist() == list(range(12)) and space.contains(packed)
    assert packed[28:].tobytes() == np.array([1.5, -2], np.float32).tobytes()
    assert space.vector(packed).tolist() == [1.5, -2] and space.floats(packed).tolist() == [-0.5] * 4 + [1.5, -2]
    images, numbers_of = apart(torch.from_numpy(packed[np.newaxis]), space)
    assert torch.equal(images[0][0], torch.arange(12).view(3, 2, 2) / 255) and images[1].unique().tolist() == [0.25]
    assert numbers_of.tolist() == [[1.5, -2]]


def test_a_vector_is_changed_beside_the_same_images():
    space = ImagesAndVector([RGB], 2)
    obs = np.stack([[space.pack([np.full((3, 2, 2), 10 * t + i, np.uint8)], [t, i]) for i in range(2)] for t in range(3)])
    assert numbers(space, obs).tolist() == [[[t, i] for i in range(2)] for t in range(3)]
    changed = with_numbers(space, obs, numbers(space, obs) + 1)
    assert np.array_equal(changed[..., :12], obs[..., :12]) and space.vector(changed)[2, 1].tolist() == [3, 2]
    assert space.vector(obs)[2, 1].tolist() == [2, 1]  # a copy


def test_a_stack_of_packed_observations_has_the_images_channels_side_by_side():
    space = seen_space(ImagesAndVector([RGB], 2), 2)
    assert isinstance(space, ImagesAndVector) and space.shape == (2, 20) and space != ImagesAndVector([RGB], 2)
    one = ImagesAndVector([RGB], 2)
    rows = np.stack([one.pack([np.full((3, 2, 2), 51 * (t + 1), np.uint8)], [t, -t]) for t in range(2)])[np.newaxis]
    images, vector = apart(torch.from_numpy(rows), space)
    assert images[0].shape == (1, 6, 2, 2) and torch.allclose(images[0][0, :, 0, 0], torch.tensor([0.2] * 3 + [0.4] * 3))
    assert vector.tolist() == [[0, 0, 1, -1]] and space.vector(rows).tolist() == [[0, 0, 1, -1]]


@pytest.mark.parametrize("space", [ImagesAndVector([RGB, REAL], 0), ImagesAndVector([], 3)])
def test_either_part_may_be_empty(space):
    obs = np.zeros((4, *space.shape), np.uint8)
    images, vector = apart(torch.from_numpy(obs), space)
    assert len(images) == len(space.images) and vector.shape == (4, space.width) and space.vector(obs).shape == (4, space.width)


def test_spaces_are_equal_where_their_parts_are():
    assert ImagesAndVector([RGB], 1) == ImagesAndVector([spaces.Box(0, 255, (3, 2, 2), np.uint8)], 1)
    assert ImagesAndVector([RGB], 4) != ImagesAndVector([REAL], 3)  # of as many bytes
    assert pickle.loads(pickle.dumps(ImagesAndVector([RGB], 1))) == ImagesAndVector([RGB], 1)


# Convolutions


@pytest.mark.parametrize(
    ("side", "layers"),
    [(36, NATURE), (35, ((32, 3, 2), (64, 3, 2))), (16, ((32, 3, 2), (64, 3, 1))), (7, ((32, 3, 1), (64, 3, 1)))],
)
def test_small_images_get_small_kernels(side, layers):
    assert fitting(NATURE, side, 100) == layers


@pytest.mark.parametrize("side", range(5, 100))
def test_there_are_convolutions_for_every_image(side):
    assert fits(fitting(NATURE, side, side), side, side)


def test_the_encoder_of_large_images_is_nature_cnn():
    space = image(4, 84, 84)
    ours, theirs = ImageEncoder(space), NatureCNN(space)
    theirs.load_state_dict({a: b for a, b in zip(theirs.state_dict(), ours.state_dict().values(), strict=True)})
    x = torch.rand(2, 4, 84, 84)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6) and ours.features_dim == 512


@pytest.mark.parametrize("shape", [(2, 9, 8, 3), (9, 8, 6), (6, 9, 8)])
def test_images_of_other_types_are_scaled_and_turned(shape):
    """The same picture, whichever way its axes are: [0, 1] and channels first."""
    space, picture = image(*shape, dtype=np.float32, low=-1, high=1), torch.rand(2, 6, 9, 8)
    at = {(2, 9, 8, 3): lambda x: x.view(2, 2, 3, 9, 8).permute(0, 1, 3, 4, 2), (9, 8, 6): lambda x: x.permute(0, 2, 3, 1)}
    torch.manual_seed(0)
    encoder = ImageEncoder(space)
    with torch.no_grad():
        given = encoder(2 * at.get(shape, lambda x: x)(picture) - 1)
        assert torch.allclose(given, encoder.cnn(picture), atol=1e-5)


def test_a_policy_encodes_each_image_beside_the_vector():
    space = ImagesAndVector([image(3, 8, 8), image(1, 9, 9, dtype=np.float32, high=1)], 2)
    encoder = PartsEncoder(space, image_features=5)
    rng = np.random.default_rng(0)
    rows = [
        space.pack([rng.integers(0, 256, (3, 8, 8), np.uint8), rng.random((1, 9, 9), np.float32)], [i, -1.5]) for i in range(3)
    ]
    features = encoder(torch.from_numpy(np.stack(rows)).float())  # as SB3 hands them over
    assert features.shape == (3, 12) and features[:, 10:].tolist() == [[0, -1.5], [1, -1.5], [2, -1.5]]
    assert features[:, :5].std() > 0 and features[:, 5:10].std() > 0
