"""The reward model on images: what it learns, how it is trained and read, what of it is approximated."""

import zlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from comparing import comparisons, left, right, some
from gymnasium import spaces
from states import check_model_goes_on, same
from torch import nn

from rlhp.preference import CrossEntropy
from rlhp.reward import AdaptiveL2, Crop, NoRegularisation, cnn, cnn_ensemble
from rlhp.reward.cnn import CNN, Parameters, Shape
from rlhp.reward.dataset import Dataset
from rlhp.reward.dropout import Dropout, drop
from rlhp.reward.images import Images
from rlhp.reward.subsample import middle_steps, systematic
from rlhp.types import Deflated, Evidence, Rollout, Steps, UserError, make_rng, stacked

SIZE, LENGTH, STACK = 20, 6, 2
SEEN = spaces.Box(0, 255, (STACK, SIZE, SIZE), np.uint8)
LAYERS = ((8, 5, 3), (8, 3, 2))


def clips(n, seed):
    """Films of a dot that trembles; the farther to the right it is, the better."""
    rng = np.random.default_rng(seed)
    place = rng.integers(1, SIZE - 4, (n, 1, 2)) + rng.integers(-1, 2, (n, STACK - 1 + LENGTH, 2))
    frames = np.zeros((n, STACK - 1 + LENGTH, SIZE, SIZE), np.uint8)
    for clip, time in np.ndindex(frames.shape[:2]):
        row, column = place[clip, time]
        frames[clip, time, row : row + 3, column : column + 3] = 255
    return Steps(frames, np.zeros((n, LENGTH), np.int64), place[:, STACK - 1 :, 1].astype(np.float32))


def compared(n, seed=0):
    one, two = clips(n, 2 * seed), clips(n, 2 * seed + 1)
    mu = (np.sign(one.true_reward.sum(1) - two.true_reward.sum(1)) + 1) / 2
    return comparisons(one, two, mu.astype(np.float32))


def ensemble(space=SEEN, **settings):
    tiny = {"layers": LAYERS, "units": 16, "learning_rate": 3e-3, "batch_size": 16, "loss": CrossEntropy()}
    return cnn_ensemble(space, spaces.Discrete(3), **{**tiny, "regulariser": AdaptiveL2(rate=0.001), **settings})


def rollout(steps):
    """n clips of L steps as L steps of n environments."""
    obs, act, true_reward = (np.swapaxes(x, 0, 1) for x in (steps.obs, steps.act, steps.true_reward))
    return Rollout(obs, act, true_reward, np.zeros(true_reward.shape, bool), None, np.zeros(0))


@pytest.mark.parametrize("settings", [{}, {"every": 2, "query_every": 2, "precision": "bfloat16"}, {"augment": Crop(seed=0)}])
def test_a_reward_is_learned_from_pictures(settings):
    reward, asked, unasked = ensemble(**settings), compared(150), compared(200, seed=50)
    metrics = reward.fit(Evidence(asked), 150)
    delta = (reward.predict_members(left(unasked)) - reward.predict_members(right(unasked))).mean(axis=0).sum(axis=1)
    gap = (left(unasked).true_reward - right(unasked).true_reward).mean(axis=1)
    assert ((delta > 0) == (gap > 0))[np.abs(gap) > 1].mean() > 0.9  # where the dots are more than a pixel apart
    assert metrics["valid_accuracy"] > 0.8 and metrics["fit_steps"] == 150
    predicted = reward(rollout(left(unasked)))
    assert predicted.shape == (LENGTH, 200) and predicted.dtype == np.float32
    assert np.corrcoef(predicted.ravel(), left(unasked).true_reward.T.ravel())[0, 1] > 0.85


def test_an_untrained_ensemble_says_nothing():
    each = ensemble().predict_members(clips(4, 3))
    assert each.shape == (3, 4, LENGTH) and each.dtype == np.float32 and not each.any()


# Training and reading


def networks(members=2, dropout=0.0, precision=torch.float32, after=0):
    """With parameters that are all random, and statistics of some clips."""
    model = CNN(Shape(Images(SEEN), LAYERS, 16), members, Dropout(dropout, after), precision, torch.device("cpu"), 0)
    model.flat.add_(0.2 * torch.randn(model.flat.shape, generator=torch.Generator().manual_seed(1)))
    model.average(1)
    model.settle(stacks(8, 0).flatten(0, 1))
    return model


def stacks(n, seed):
    """n clips, as they are prepared: [n, L, STACK, SIZE, SIZE]."""
    return Images(SEEN).tensor(stacked(clips(n, seed).obs, LENGTH, axis=1))


def reference(model, member):
    """The same network of torch's own modules."""
    of = Parameters.of(model.flat[member].clone(), model._shape)
    parts, channels = [], STACK
    for i, (filters, kernel, stride) in enumerate(LAYERS):
        parts += [nn.Conv2d(channels, filters, kernel, stride, bias=False), nn.BatchNorm2d(filters), nn.LeakyReLU(0.01)]
        parts[-3].weight.data, parts[-2].weight.data, parts[-2].bias.data = of.kernels[i], of.scales[i], of.shifts[i]
        parts[-2].running_mean, parts[-2].running_var = (part.split(8)[i].clone() for part in model._statistics[member])
        channels = filters
    parts += [nn.Flatten(), nn.Linear(channels * 2 * 2, 16), nn.LeakyReLU(0.01), nn.Linear(16, 1)]
    for layer, (weight, bias) in ((parts[-3], of.hidden), (parts[-1], of.last)):
        layer.weight.data, layer.bias.data = weight, bias
    return nn.Sequential(*parts)


def test_sums_and_gradients_are_those_of_a_network_that_sees_both_clips_of_a_pair_at_once():
    model, x = networks(), stacks(6, 9)
    theirs = [reference(model, member).train() for member in range(2)]
    sums, grad = model.clip_sums(x, step=3), torch.randn(2, 6, generator=torch.Generator().manual_seed(2))
    model.backward(grad)
    for member, network in enumerate(theirs):
        expected = network(x.flatten(0, 1) / 255).reshape(6, LENGTH).sum(dim=1)
        assert torch.allclose(sums[member], expected, rtol=1e-4, atol=1e-4)
        gradients = torch.autograd.grad(expected @ grad[member], list(network.parameters()))
        of = Parameters.of(model.flat.grad[member], model._shape)
        ours = [part for i in range(2) for part in (of.kernels[i], of.scales[i], of.shifts[i])] + [*of.hidden, *of.last]
        for one, two in zip(ours, gradients, strict=True):
            assert torch.allclose(one, two, rtol=1e-3, atol=1e-4 * float(two.abs().max()))
    alone = model.clip_sums(x[:3], step=3)
    assert not torch.allclose(alone, sums[:, :3], rtol=1e-2)  # what is beside a clip is part of its statistics


@pytest.mark.parametrize("precision, near", [(torch.float32, 1e-4), (torch.bfloat16, 0.05)])
def test_predictions_are_those_of_fixed_statistics(precision, near):
    model, x = networks(precision=precision), stacks(5, 9)
    for member in range(2):
        with torch.no_grad():
            expected = reference(model, member).eval()(x.flatten(0, 1) / 255).reshape(5, LENGTH)
        assert torch.allclose(model.predict(x)[member], expected, rtol=near, atol=near)
    assert torch.allclose(model.predict(x[:2, :3]), model.predict(x)[:, :2, :3], rtol=near, atol=near)  # whatever is beside it


def test_statistics_are_those_of_what_predicts_without_dropout():
    """Under dropout of a half, activations spread more: by their statistics r-hat would be too small."""
    model, x = networks(members=1, dropout=0.5), stacks(20, 5)
    network = reference(model, 0).train()
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    predicted = network(x.flatten(0, 1) / 255)
    before = model.snapshot()
    model.clip_sums(x, step=7)  # fitting leaves them as they are
    assert all(np.array_equal(before[name], array) for name, array in model.snapshot().items())
    model.settle(x.flatten(0, 1))
    for i, layer in enumerate(layer for layer in network if isinstance(layer, nn.BatchNorm2d)):
        mean, variance = (part.split(8)[i] for part in model._statistics[0])
        assert torch.allclose(mean, layer.running_mean, rtol=1e-4, atol=1e-5)
        assert torch.allclose(variance, layer.running_var, rtol=1e-3)
    assert model.predict(x).std() == pytest.approx(float(predicted.detach().std()), rel=0.02)


def test_predictions_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    model, x = networks(), stacks(7, 4)
    whole = model.predict(x)
    monkeypatch.setattr(cnn, "ROWS", 13)
    assert torch.allclose(model.predict(x), whole, rtol=1e-5, atol=1e-6) and model.predict(x[:0]).shape == (2, 0, LENGTH)


@pytest.mark.parametrize("settings", [{}, {"precision": "bfloat16", "every": 2}])
def test_threads_change_no_number(settings, monkeypatch):
    monkeypatch.setattr(cnn, "ROWS", 3 * LENGTH)
    alone, shared = (ensemble(threads=threads, **settings) for threads in (1, 2))
    asked, unasked = compared(20), clips(10, 5)
    assert alone.fit(Evidence(asked), 5) == shared.fit(Evidence(asked), 5)
    assert same(alone.snapshot(), shared.snapshot())
    assert np.array_equal(alone.predict_members(unasked), shared.predict_members(unasked))


def test_reading_never_writes():
    asked, other = compared(30), clips(10, 7)
    quiet, read = ensemble(), ensemble()
    for effort in (4, 8):
        quiet.fit(Evidence(asked), effort)
        read.fit(Evidence(asked), effort)
        values = [read(rollout(other)) for _ in range(3)]
        read.predict_members(other)
        assert all(np.array_equal(v, values[0]) for v in values)
    assert same(quiet.snapshot(), read.snapshot())


@pytest.mark.parametrize("settings", [{}, {"every": 2, "ema_window": 0.2, "dropout": 0.3}, {"augment": Crop(seed=0)}])
def test_a_snapshot_goes_on_bit_for_bit(settings):
    asked, state = compared(40), torch.get_rng_state()
    check_model_goes_on(lambda: ensemble(**settings), some(asked, slice(25)), asked, (6, 14), rollout(left(asked)))
    assert torch.equal(torch.get_rng_state(), state)  # the policy draws from it


def test_weights_alone_are_held_back():
    model, shape = networks(), Shape(Images(SEEN), LAYERS, 16)
    model.weights.zero_()
    of = Parameters.of(model.flat[0], shape)
    assert not any(weight.any() for weight in (*of.kernels, of.hidden[0], of.last[0]))
    assert all(part.all() for part in (*of.scales, *of.shifts, of.hidden[1], of.last[1]))


# What is approximated


def test_phases_read_every_step_equally_often_and_their_sum_is_right_on_average():
    """25 steps, one in four: six steps, four or five apart across the clip's end, from each of 25 beginnings."""
    read = systematic(5000, 25, 4, np.random.default_rng(0))
    assert read.shape == (5000, 6) and (np.diff(read, axis=1) >= 4).all()
    assert np.bincount(read.ravel(), minlength=25) == pytest.approx(np.full(25, 5000 * 6 / 25), rel=0.1)
    reward = np.random.default_rng(1).normal(1, 1, 25)
    assert (25 / 6 * reward[read].sum(axis=1)).mean() == pytest.approx(reward.sum(), rel=0.02)
    assert len({tuple(row) for row in read}) == 25  # left and right clips begin apart
    assert systematic(2, 3, 8, np.random.default_rng(0)).shape == (2, 1)
    assert systematic(1, 4, 1, np.random.default_rng(0)).tolist() == [[0, 1, 2, 3]]


def test_middles_stand_for_the_steps_around_them():
    read, stands_for = middle_steps(10, 4)
    assert read.tolist() == [2, 6, 9] and stands_for.tolist() == [4, 4, 2]
    assert middle_steps(3, 1)[0].tolist() == [0, 1, 2]


def test_queries_may_read_few_steps():
    asked = compared(30)
    exact, quick = ensemble(), ensemble(query_every=3)
    for reward in (exact, quick):
        reward.fit(Evidence(asked), 10)
    every, few = (reward.predict_members(left(asked)) for reward in (exact, quick))
    assert np.allclose(few, every[:, :, [1, 1, 1, 4, 4, 4]], atol=1e-5)
    assert np.allclose(exact(rollout(left(asked))), quick(rollout(left(asked))), atol=1e-5)  # the policy is paid for each step


@pytest.mark.parametrize("probability", [0.5, 0.25])
def test_dropout_keeps_the_expectation_and_leaves_out_its_share(probability):
    x = torch.ones(64, 16, 10, 10).contiguous(memory_format=torch.channels_last)
    dropped = drop(x, probability, np.random.default_rng(0))
    assert dropped.unique().tolist() == pytest.approx([0, 1 / (1 - probability)])
    share = (dropped == 0).float()
    assert share.mean() == pytest.approx(probability, abs=0.01)
    assert (share.mean(dim=(0, 2, 3)) - probability).abs().max() < 0.04  # of each channel
    assert (share.mean(dim=(1, 2, 3)) - probability).abs().max() < 0.06  # of each stack
    one, two = share.chunk(2)
    assert (one == two).float().mean() == pytest.approx(probability**2 + (1 - probability) ** 2, abs=0.01)  # apart
    assert torch.equal(dropped, drop(x, probability, np.random.default_rng(0)))
    assert not torch.equal(dropped, drop(x, probability, np.random.default_rng(1)))
    assert torch.equal(drop(x, 0, np.random.default_rng(0)), x)


def test_bits_of_dropout_are_those_of_the_stream():
    """One byte, lowest bit first, channel by channel: here of 13 = 0b1101."""

    class Stream:
        def bytes(self, n):
            return bytes([13] * n)

    x = torch.arange(1.0, 5).reshape(1, 4, 1, 1)
    assert drop(x, 0.5, Stream()).flatten().tolist() == [2, 0, 6, 8]


def test_steps_of_a_gradient_draw_apart_and_members_too():
    model, x = networks(members=2, dropout=0.5), stacks(4, 0)
    model.flat.copy_(model.flat[:1].expand(2, -1))
    first, again, later = (model.clip_sums(x, step) for step in (5, 5, 6))
    assert torch.equal(first, again) and not torch.allclose(first, later) and not torch.allclose(first[0], first[1])


def test_dropout_begins_when_it_is_told_to():
    late, without, x = networks(dropout=0.5, after=7), networks(), stacks(4, 0)
    assert torch.equal(late.clip_sums(x, 6), without.clip_sums(x, 6))
    assert not torch.allclose(late.clip_sums(x, 7), without.clip_sums(x, 7))


# Comparisons and calibration


def test_only_the_newest_comparisons_are_drawn():
    asked = compared(40)
    data = Dataset(asked, lambda obs, act: torch.from_numpy(obs), 1, 0, newest=7)
    drawn = data.draw(np.random.default_rng(0), 500)
    assert set(drawn) == set(range(33, 40))
    assert data.steps(10**6).shape == (2 * 7 * LENGTH, STACK, SIZE, SIZE)
    assert torch.equal(data.steps(10**6)[LENGTH], torch.from_numpy(stacked(left(asked).obs, LENGTH, axis=1)[34, 0]))


def test_r_hat_has_the_spread_that_is_asked_for():
    asked = compared(40)
    reward = ensemble(spread=0.05, members=1)
    reward.fit(Evidence(asked), 20)
    together = np.concatenate([reward(rollout(side)) for side in (left(asked), right(asked))], axis=1)
    assert together.mean() == pytest.approx(0, abs=1e-4) and together.std() == pytest.approx(0.05, rel=1e-3)


def test_crops_are_windows_of_stacks():
    x = stacks(6, 0)
    cut = Crop(seed=0, low=0.5, high=0.5)(x, 0)
    assert cut.shape == (6, 3, STACK, SIZE, SIZE)
    for clip, window in zip(x, cut, strict=True):
        assert any(torch.equal(clip[first : first + 3], window) for first in range(4))


def test_deflated_clips_are_as_good():
    """What games' clips are kept as: the fit is the same, bit for bit."""
    asked = compared(20)
    obs = tuple(Deflated(zlib.compress(clip.tobytes()), clip.shape) for clip in asked.clips.obs)
    packed = replace(asked, clips=replace(asked.clips, obs=obs))
    one, two = ensemble(every=2), ensemble(every=2)
    assert one.fit(Evidence(asked), 3) == two.fit(Evidence(packed), 3) and same(one.snapshot(), two.snapshot())


# Images


@pytest.mark.parametrize(
    "shape, channels, size",
    [((4, 84, 84), 4, (84, 84)), ((84, 84), 1, (84, 84)), ((60, 80, 3), 3, (60, 80)), ((2, 30, 20, 3), 6, (30, 20))],
)
def test_height_and_width_are_the_longest_axes(shape, channels, size):
    images = Images(spaces.Box(0, 255, shape, np.uint8))
    assert (images.channels, images.height, images.width) == (channels, *size)
    obs = np.random.default_rng(0).integers(0, 255, (5, *shape), dtype=np.uint8)
    x = images.tensor(obs)
    assert x.shape == (5, channels, *size) and x.dtype == torch.uint8
    if shape[-1] == 3:
        assert np.array_equal(x[1, -1], obs[1, ..., 2] if len(shape) == 3 else obs[1, 1, ..., 2])


def test_stacks_are_not_copied_before_they_are_read():
    frames = clips(3, 0).obs
    x = Images(SEEN).tensor(stacked(frames, LENGTH, axis=1))
    assert np.shares_memory(x.numpy(), frames)
    frames.flags.writeable = False  # as inflated clips are
    assert np.array_equal(Images(SEEN).tensor(stacked(frames, LENGTH, axis=1)), x)


def test_images_are_scaled_by_their_bounds():
    """The same pictures in bytes and in numbers from -1 to 1 are the same to a network."""
    model, x = networks(), stacks(3, 0)
    signed = networks()
    signed._shape = Shape(Images(spaces.Box(-1, 1, SEEN.shape)), LAYERS, 16)
    assert torch.allclose(signed.predict(x / 127.5 - 1), model.predict(x), rtol=1e-4, atol=1e-4)


BOX = partial(spaces.Box, dtype=np.float32)


@pytest.mark.parametrize(
    "space, says",
    [
        (BOX(-1, 1, (17,)), "choose reward_model=ensemble_mlp"),
        (spaces.Discrete(5), "choose reward_model=ensemble_mlp"),
        (BOX(-np.inf, np.inf, (2, 20, 20)), "images need finite bounds"),
        (BOX(0, 1, (2, 8, 8)), "images of 8 x 8 are too small"),
    ],
)
def test_what_is_no_image_is_refused(space, says):
    with pytest.raises(UserError, match=says):
        ensemble(space)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"layers": value} for value in ([], [[8, 5]], [8, 5, 3], [[8, 5, 0]], [[8, 2.5, 1]], "853")),
        *(
            {"units": 0},
            {"dropout": 1},
            {"dropout": -0.1},
            {"dropout_after": -1},
            {"members": 0},
            {"device": "tpu"},
            {"precision": "float16"},
        ),
        *({"every": 0}, {"query_every": 0}, {"newest": 0}, {"spread": 0}, {"calibration_steps": 1}),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UserError):
        ensemble(**wrong)


def test_the_papers_network_is_784_wide_after_its_convolutions():
    shape = Shape(Images(spaces.Box(0, 255, (4, 84, 84), np.uint8)), cnn.PAPER, 64)
    assert shape.sizes() == [(26, 26), (11, 11), (9, 9), (7, 7)]
    assert shape.weights() == [(16, 4, 7, 7), (16, 16, 5, 5), (16, 16, 3, 3), (16, 16, 3, 3), (64, 784), (1, 64)]


def test_no_random_stream_of_batches_is_that_of_phases():
    assert make_rng(0, "batch", 3).integers(2**40) != make_rng(0, "phase", 3).integers(2**40)


def test_without_a_penalty_there_is_none():
    assert ensemble(regulariser=NoRegularisation()).fit(Evidence(compared(10)), 2)["l2"] == 0
