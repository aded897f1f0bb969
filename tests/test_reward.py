"""The reward ensemble: what it learns, members that stand apart, calibration, levels, continuation."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import comparing
import numpy as np
import pytest
import torch
from comparing import some
from gymnasium import spaces
from states import check_model_goes_on, same
from torch.nn.functional import leaky_relu

from rlhp.precision import number
from rlhp.preference import CrossEntropy, PlackettLuce, ReturnError, win_probability
from rlhp.reward import AdaptiveL2, AsynchronousReward, Crop, NoRegularisation, TrueReward, mlp, mlp_ensemble
from rlhp.reward.dataset import Dataset, bootstrap_weights, stride
from rlhp.reward.features import CLIP, Moments, Normaliser, between_clip_variance, encode, unit_variance
from rlhp.types import Clips, Comparisons, Evidence, Rollout, Steps, UserError

ACT = spaces.Box(-1, 1, (2,))
PREPARE = partial(encode, action_space=ACT)
PLANTED = np.array([1.0, -2.0, 0.5, 0.0, 3.0])  # the reward is linear in three observations and two actions


def clips(n, seed, planted=PLANTED, length=5):
    x = np.random.default_rng(seed).normal(size=(n, length, len(planted))).astype(np.float32)
    return Steps(x[..., :-2], x[..., -2:], (x @ planted).astype(np.float32))


def compared(n, seed=0, flips=0.0, planted=PLANTED):
    """n comparisons by an oracle that errs with probability `flips`; each its own question."""
    left, right = clips(n, 2 * seed, planted), clips(n, 2 * seed + 1, planted)
    wrong = np.random.default_rng(seed).random(n) < flips
    mu = (left.true_reward.sum(1) > right.true_reward.sum(1)) != wrong
    return comparing.comparisons(left, right, mu.astype(np.float32))


def ensemble(observations=3, **settings):
    settings = {"loss": CrossEntropy(), "regulariser": AdaptiveL2(), "hidden": (32, 32), "seed": 0} | settings
    return mlp_ensemble(spaces.Box(-np.inf, np.inf, (observations,)), ACT, **settings)


def rollout(steps):
    """n clips of L steps as L steps of n environments."""
    obs, act, true_reward = (np.swapaxes(x, 0, 1) for x in (steps.obs, steps.act, steps.true_reward))
    return Rollout(obs, act, true_reward, np.zeros(true_reward.shape, bool), None, np.zeros(0))


def test_which_observation_a_step_is_rewarded_by():
    """Fitted alike, on what clips hold; r-hat(o_t, a_t) or r-hat(o_t+1, a_t) of what the policy did."""
    seen = rollout(clips(4, 0))
    led_to = comparing.led_to(seen, seen.obs + 1)
    paper, late = ensemble(), ensemble(reward_input="next_obs")
    for reward in (paper, late):
        reward.fit(Evidence(compared(20)), 50)
    assert np.array_equal(paper(led_to), paper(seen)) and np.array_equal(late(seen), paper(seen))
    assert np.array_equal(late(led_to), paper(replace(seen, obs=seen.obs + 1)))
    assert not np.allclose(late(led_to), paper(led_to))
    with pytest.raises(UserError, match="no reward_input 'later'; choose one of obs, next_obs"):
        ensemble(reward_input="later")


def test_without_hidden_layers_r_hat_is_linear():
    reward, few = ensemble(hidden=[]), clips(4, 0)
    reward.fit(Evidence(compared(20)), 50)
    moved = [replace(few, obs=few.obs + shift) for shift in (0.0, 0.5, 1.0)]
    first, second, third = (reward(rollout(each)) for each in moved)
    np.testing.assert_allclose(second - first, third - second, atol=1e-5)
    assert np.abs(second - first).min() > 1e-3


@pytest.mark.parametrize("hidden", [8, [0], [64, 1.5], "64"])
def test_hidden_layers_that_make_no_sense_are_refused(hidden):
    with pytest.raises(UserError, match=r"hidden lists the units of each hidden layer.* not"):
        ensemble(hidden=hidden)


def test_clips_come_in_one_order_however_many_come_at_a_time():
    """Sums over them are rounded as they are added: in another order a resumed run would part from the first."""
    c = compared(6)
    whole = Dataset(c, PREPARE, 3, 0).clips(0)
    assert torch.equal(
        whole, torch.cat([Dataset(some(c, slice(0, 4)), PREPARE, 3, 0).clips(0), Dataset(c, PREPARE, 3, 0).clips(4)])
    )
    assert torch.equal(whole[2], torch.from_numpy(np.concatenate([comparing.left(c).obs[1], comparing.left(c).act[1]], axis=1)))


def test_an_answer_that_compares_nothing_is_no_trouble():
    """Clips that nobody can tell apart are skipped: there has been an answer, but there is no new comparison."""
    one, two = ensemble(), ensemble()
    asked = compared(6)
    for reward, later in ((one, asked), (two, some(asked, slice(None)))):
        reward.fit(Evidence(asked), 3)
        reward.fit(Evidence(later), 6)
    assert same(one.snapshot(), two.snapshot())


# What it learns


@pytest.mark.parametrize("members", [1, 3])
def test_a_planted_reward_is_recovered(members):
    reward, asked, unasked = ensemble(members=members), compared(300), compared(300, seed=50)
    metrics = reward.fit(Evidence(asked), 300)
    predicted = reward(rollout(comparing.left(unasked)))
    assert predicted.shape == (5, 300) and predicted.dtype == np.float32
    assert np.corrcoef(predicted.ravel(), rollout(comparing.left(unasked)).true_reward.ravel())[0, 1] > 0.95
    delta = predicted.sum(0) - reward(rollout(comparing.right(unasked))).sum(0)
    assert ((delta > 0) == (comparing.mu(unasked) > 0.5)).mean() > 0.9
    assert metrics["train_accuracy"] > 0.9 and metrics["valid_accuracy"] > 0.85 and metrics["fit_steps"] == 300


def test_what_comes_and_goes_within_clips_is_not_taken_for_a_reward():
    """Observations that last for a clip decide, actions are noise: they average out of clips, but a policy can choose them."""

    def held(n, seed):
        x = np.random.default_rng(seed)
        obs = np.repeat(x.normal(size=(n, 1, 3)), 15, axis=1).astype(np.float32)
        return Steps(obs, x.normal(size=(n, 15, 2)).astype(np.float32), obs[..., 0])

    left, right = held(150, 0), held(150, 1)
    better = left.true_reward.sum(1) > right.true_reward.sum(1)
    asked = comparing.comparisons(left, right, better.astype(np.float32))

    def by_action(inputs):
        reward = ensemble(input_scaling=inputs)
        reward.fit(Evidence(asked), 300)
        predicted = reward(rollout(held(300, 2)))  # [steps, clips]
        return predicted.std(axis=0).mean() / predicted.mean(axis=0).std()

    assert by_action(between_clip_variance) < 0.05 < 0.1 < by_action(unit_variance)


def test_an_untrained_ensemble_says_nothing():
    assert not ensemble().predict_members(clips(10, 3)).any()


def test_the_target_ablation_recovers_the_returns_themselves():
    asked, unasked = compared(200), clips(100, 99)
    asked = replace(asked, ranks=np.zeros((200, 2), np.int64))  # no preference told
    reward = ensemble(loss=ReturnError())
    metrics = reward.fit(Evidence(asked), 300)
    predicted, returns = reward.predict_members(unasked).sum(axis=2).mean(axis=0), unasked.true_reward.sum(axis=1)
    assert np.corrcoef(predicted, returns)[0, 1] > 0.95
    assert predicted.std() == pytest.approx(1, abs=0.25)  # in standard deviations of the labelled clips' returns
    assert "train_accuracy" not in metrics  # nothing but ties


def test_ties_make_clips_alike():
    asked = compared(200)
    tied = replace(asked, ranks=np.zeros((200, 2), np.int64))
    reward = ensemble(regulariser=NoRegularisation())
    reward.fit(Evidence(some(asked, slice(100))), 50)
    before = reward.predict_members(comparing.left(asked)).sum(2).std()
    reward.fit(Evidence(tied), 250)
    p = win_probability(
        reward.predict_members(comparing.left(asked)).sum(2), reward.predict_members(comparing.right(asked)).sum(2)
    )
    assert np.abs(p - 0.5).mean() < 0.05 and reward.predict_members(comparing.left(asked)).sum(2).std() < before


# Members


def random_networks(*sizes):
    """Three of them, also in their last layer."""
    networks = mlp.init(3, sizes, torch.Generator().manual_seed(0))
    networks.flat.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    return networks


def test_members_run_at_once_as_they_would_one_by_one():
    networks = random_networks(5, 8, 8, 1)
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
    together, layers = mlp.forward(networks, x), networks.layers
    for k in range(3):
        h = x
        for weight, bias in layers[:-1]:
            h = leaky_relu(h @ weight[k] + bias[k], 0.01)
        alone = (h @ layers[-1][0][k] + layers[-1][1][k])[:, 0]
        assert torch.allclose(together[k], alone, atol=1e-6)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


@pytest.mark.parametrize("precision, near", [("float32", 1e-5), ("bfloat16", 0.05)])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 6)])
def test_a_clips_sum_and_its_gradient_are_those_of_its_steps(hidden, precision, near):
    networks = random_networks(5, *hidden, 1)
    networks.flat.requires_grad_()
    networks = mlp.Networks(networks.flat, networks.sizes)
    x, weight = (torch.randn(*shape, generator=torch.Generator().manual_seed(1)) for shape in ((4, 6, 5), (3, 4)))
    step_by_step = mlp.forward(networks, x.flatten(0, 1)).reshape(3, 4, 6).sum(dim=2)
    (grad,) = torch.autograd.grad((step_by_step.square() * weight).sum(), [networks.flat])
    with torch.no_grad():
        sums = mlp.ClipSums(networks, clips=6, length=9, number=number(precision))  # room for more
        for _ in range(2):  # what is left of the first time, or of longer clips, does not matter
            sums(torch.ones(4, 9, 5))
            assert torch.allclose(sums(x), step_by_step, rtol=near, atol=near)
            sums.backward(2 * step_by_step * weight)
    for (ours, our_bias), (theirs, their_bias) in zip(sums.grad.layers, mlp.Networks(grad, networks.sizes).layers, strict=True):
        for one, two in ((ours, theirs), (our_bias, their_bias)):
            assert torch.allclose(one, two, rtol=10 * near, atol=near * two.abs().max())


def test_networks_lie_in_one_array_their_weights_first():
    """Two networks of one input, two hidden units and one output: 2 + 2 weights, 2 + 1 biases."""
    networks = mlp.Networks(torch.arange(14.0).reshape(2, 7), (1, 2, 1))
    (first, first_bias), (last, last_bias) = networks.layers
    assert first.tolist() == [[[0, 1]], [[7, 8]]] and last.tolist() == [[[2], [3]], [[9], [10]]]
    assert first_bias.tolist() == [[[4, 5]], [[11, 12]]] and last_bias.tolist() == [[[6]], [[13]]]
    networks.weights.zero_()
    assert networks.flat.tolist() == [[0] * 4 + [4, 5, 6], [0] * 4 + [11, 12, 13]]


def test_a_member_that_holds_out_a_comparison_never_trains_on_it():
    asked = compared(40)
    held = bootstrap_weights(asked.query, 3, 0)[0] == 0
    assert 5 < held.sum() < 25
    reward = ensemble(regulariser=NoRegularisation())
    before = reward.snapshot()
    reward.fit(Evidence(some(asked, held)), 20)
    after = reward.snapshot()
    moved = [before["weights"][k] != after["weights"][k] for k in range(3)]
    assert not moved[0].any()
    assert moved[1].mean() > 0.9 and moved[2].mean() > 0.9  # not all: the last bias cancels out of every comparison


def test_what_is_held_out_does_not_change_what_is_learned():
    asked = compared(60)
    held = bootstrap_weights(asked.query, 3, 0)[1] == 0
    lied = replace(asked, ranks=np.where(held[:, None], asked.ranks[:, ::-1], asked.ranks))
    one, two = (ensemble(regulariser=NoRegularisation()) for _ in range(2))
    one.fit(Evidence(asked), 30)
    two.fit(Evidence(lied), 30)
    assert np.array_equal(one.predict_members(comparing.left(asked))[1], two.predict_members(comparing.left(asked))[1])
    assert not np.array_equal(one.predict_members(comparing.left(asked))[0], two.predict_members(comparing.left(asked))[0])


def test_validation_is_measured_on_what_a_member_never_saw():
    asked = compared(60, flips=0.5)  # nothing to learn: only memory helps
    metrics = ensemble(regulariser=NoRegularisation()).fit(Evidence(asked), 400)
    assert metrics["train_accuracy"] > 0.9 and metrics["valid_accuracy"] < 0.75
    assert metrics["valid_loss"] > 2 * metrics["train_loss"]


# Cropped clips


def windows(crop, step, n=6, length=60):
    """First steps and lengths of the windows; each step of a clip shows its number, and that of its clip."""
    clips = torch.stack([torch.arange(length).repeat(n, 1), torch.arange(n)[:, None].repeat(1, length)], dim=2).float()
    cut = crop(clips, step)
    assert (cut[..., 0].diff(dim=1) == 1).all() and (cut[..., 1] == torch.arange(n)[:, None]).all()  # in order, none mixed up
    return cut[:, 0, 0].int().tolist(), cut.shape[1]


def test_clips_are_cut_to_one_length_each_at_a_place_of_its_own():
    drawn = [windows(Crop(seed=1), step) for step in range(400)]
    assert {length for _, length in drawn} == set(range(45, 56))  # of 60, as in SURF
    assert {first for firsts, length in drawn for first in firsts if length == 45} == set(range(16))
    assert all(max(firsts) <= 60 - length for firsts, length in drawn)
    assert sum(firsts[0] == firsts[3] for firsts, _ in drawn) < 80  # a pair: left and right apart
    assert drawn[7] == windows(Crop(seed=1), 7) != windows(Crop(seed=2), 7)


def test_a_crop_leaves_a_step_at_least_and_may_leave_everything():
    assert windows(Crop(seed=0), 0, length=1) == ([0] * 6, 1)
    assert windows(Crop(seed=0, low=0.01, high=0.01), 0, length=8)[1] == 1
    assert windows(Crop(seed=0, low=1, high=1), 0) == ([0] * 6, 60)


@pytest.mark.parametrize("wrong", [{"low": 0}, {"low": 0.8, "high": 0.7}, {"high": 1.1}])
def test_an_impossible_crop_is_refused(wrong):
    with pytest.raises(UserError, match="fractions of a clip"):
        Crop(seed=0, **wrong)


def test_a_reward_is_learned_from_cropped_clips():
    reward, asked, unasked = ensemble(augment=Crop(seed=0, low=0.6, high=0.8)), compared(300), compared(300, seed=50)
    metrics = reward.fit(Evidence(asked), 300)
    predicted = reward(rollout(comparing.left(unasked)))
    assert np.corrcoef(predicted.ravel(), rollout(comparing.left(unasked)).true_reward.ravel())[0, 1] > 0.9
    assert metrics["train_accuracy"] < 0.95  # three or four steps of five do not always tell who won


def test_to_crop_nothing_is_not_to_crop():
    one, two, asked = ensemble(), ensemble(augment=Crop(seed=0, low=1, high=1)), compared(40)
    assert one.fit(Evidence(asked), 20) == two.fit(Evidence(asked), 20) and same(one.snapshot(), two.snapshot())


# Bootstrap weights


def test_a_member_sees_each_comparison_about_once_and_never_a_third_of_them():
    weights = bootstrap_weights(np.arange(3000), 3, seed=5)
    assert weights.mean() == pytest.approx(1, abs=0.04) and weights.var() == pytest.approx(1, abs=0.06)
    assert (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.02)
    assert np.abs(np.corrcoef(weights) - np.eye(3)).max() < 0.08  # members draw apart


def test_weights_are_fixed_for_ever():
    few = bootstrap_weights(np.arange(20), 3, seed=1)
    assert np.array_equal(bootstrap_weights(np.arange(500), 3, seed=1)[:, :20], few)
    assert np.array_equal(bootstrap_weights(np.arange(20)[::-1], 3, seed=1), few[:, ::-1])
    assert np.array_equal(bootstrap_weights(np.arange(20), 2, seed=1), few[:2])
    assert not np.array_equal(bootstrap_weights(np.arange(20), 3, seed=2), few)


def test_several_answers_to_one_question_stay_together():
    weights = bootstrap_weights(np.repeat(np.arange(50), 6), 3, seed=0).reshape(3, 50, 6)
    assert (weights == weights[:, :, :1]).all()


# Rankings


def test_a_batch_holds_whole_rankings_and_each_clip_once():
    """Questions of 2, 4 and 3 clips: clips 0 and 1, 2 to 5, 6 to 8; the columns of a batch lie one after the other."""
    steps = clips(9, 0)
    c = comparing.rankings(steps, [2, 4, 3])
    batch = Dataset(c, PREPARE, 3, 0).batch(np.array([1, 0, 2]))
    order = [2, 0, 6, 3, 1, 7, 4, 8, 5]
    assert torch.equal(batch.clips, PREPARE(steps.obs[order], steps.act[order]))
    there = batch.rankings.there
    assert there.sum(dim=1).tolist() == [4, 2, 3] and batch.seen.shape == (3, 3)
    shown = [np.array(order)[row[known]].tolist() for row, known in zip(batch.rankings.clip, there, strict=True)]
    assert shown == [[2, 3, 4, 5], [0, 1], [6, 7, 8]]
    assert torch.equal(batch.rankings.rank[0], torch.from_numpy(c.ranks[1]))


def test_a_gradient_step_reads_each_clip_of_a_ranking_once(monkeypatch):
    read = []
    whole = mlp.MLP.clip_sums
    monkeypatch.setattr(mlp.MLP, "clip_sums", lambda self, x, step: read.append(len(x)) or whole(self, x, step))
    ensemble(batch_size=8).fit(Evidence(comparing.rankings(clips(80, 0), [4] * 20)), 2)
    assert read == [32, 32], "8 answers of 4 clips; their pairs would be 96"


@pytest.mark.parametrize("sizes", [[4] * 100, [2, 4, 3, 5] * 30], ids=["alike", "mixed"])
@pytest.mark.parametrize("loss", [CrossEntropy(), PlackettLuce()], ids=lambda loss: type(loss).__name__)
def test_a_planted_reward_is_recovered_from_rankings(loss, sizes):
    reward, asked, unasked = ensemble(loss=loss), comparing.rankings(clips(sum(sizes), 0), sizes), clips(200, 99)
    metrics = reward.fit(Evidence(asked), 300)
    predicted = reward.predict_members(unasked).mean(axis=0)
    assert np.corrcoef(predicted.ravel(), unasked.true_reward.ravel())[0, 1] > 0.95
    assert metrics["train_accuracy"] > 0.9 and 0.85 < metrics["valid_accuracy"] < 1


def test_rankings_go_to_another_process_in_parts():
    """Whatever the widths: nothing new leaves them as they are."""
    c = comparing.rankings(clips(9, 0), [2, 4, 3])
    pair = Comparisons(c.clips[:2], c.shown[:1, :2], c.ranks[:1, :2], c.query[:1], c.always_kept[:1])
    pair = replace(pair, clips=Clips(pair.clips.obs, pair.clips.act, pair.clips.true_reward))
    for again in (pair.joined(c.after(2, 1)), c.joined(c.after(9, 3))):
        assert np.array_equal(again.shown, c.shown) and np.array_equal(again.ranks, c.ranks) and len(again.clips) == 9
    assert c.joined(c.after(9, 3)) is c
    narrow = Comparisons(c.clips, c.shown[:, :2], c.ranks[:, :2], c.query, c.always_kept)
    assert c.joined(narrow.after(9, 2)).shown.tolist()[3] == [6, 7, -1, -1]


def test_too_many_clips_for_the_loss_are_refused_before_training():
    setup = SimpleNamespace(query=SimpleNamespace(clips=11))
    with pytest.raises(UserError, match=r"lower query\.clips"):
        AsynchronousReward(lambda: ensemble(loss=PlackettLuce()), 1).check(setup)
    AsynchronousReward(lambda: ensemble(loss=CrossEntropy()), 1).check(setup)


def test_a_single_member_sees_what_it_does_not_hold_out_exactly_once():
    weights = bootstrap_weights(np.arange(2000), 1, seed=0)
    assert set(weights.ravel()) == {0.0, 1.0} and (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.04)


# The penalty


def test_the_penalty_rises_above_the_band_and_falls_below_it():
    l2 = AdaptiveL2(initial=0.5, rate=0.01)
    assert l2.start(2).tolist() == [0.5, 0.5]
    now = l2.next(np.full(6, 0.5), np.ones(6), np.array([2.0, 1.51, 1.5, 1.1, 1.09, np.nan]))
    assert now.tolist() == pytest.approx([0.505, 0.505, 0.5, 0.5, 0.5 / 1.01, 0.5])
    assert NoRegularisation().next(np.zeros(2), np.ones(2), np.full(2, 9.0)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("wrong", [{"initial": 0}, {"rate": -0.1}, {"low": 1.6}, {"low": 0}, {"members": 0}, {"ema_window": 1}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError, match=r"needs|must be"):
        ensemble(**wrong) if wrong.keys() & {"members", "ema_window"} else AdaptiveL2(**wrong)


@pytest.mark.slow
@pytest.mark.parametrize("penalty, low, high", [(AdaptiveL2(rate=0.01), 1.0, 1.8), (NoRegularisation(), 4.0, np.inf)])
def test_the_adaptive_penalty_brings_the_validation_loss_into_the_band(penalty, low, high):
    noise = np.concatenate([[1.0, 1, 1], np.zeros(19)])  # twenty-two inputs of which three matter: room to overfit
    reward = ensemble(observations=20, regulariser=penalty)
    reward.fit(Evidence(compared(300, flips=0.1, planted=noise)), 1500)
    ratio = np.divide(*reward.snapshot()["running"][[1, 0]])
    assert ((low < ratio) & (ratio < high)).all(), ratio


@pytest.mark.slow
def test_no_member_is_wiped_out_by_few_and_noisy_labels():
    """The validation loss cannot come down here: the coefficient climbs until a member knows nothing. It must come back."""
    reward, losses = ensemble(observations=20, batch_size=32), []
    few = compared(60, flips=0.25, planted=np.concatenate([[1.0, 1, 1], np.zeros(19)]))
    for effort in range(100, 3001, 100):
        reward.fit(Evidence(few), effort)
        losses.append(reward.snapshot()["running"][0])
    assert (np.max(losses[:15], axis=0) > 0.6).all()  # log 2 = 0.693: nothing known
    assert (np.min(losses[15:], axis=0) < 0.5).all()


# Calibration and reading


def test_the_distance_between_calibration_steps_shares_no_divisor_with_a_clips_length():
    assert stride(10, 15, 1024) == 1  # 150 steps: all of them
    assert stride(1000, 15, 1024) == 16  # 15 would read the same step of every clip
    assert stride(500, 60, 1024) == 31  # 30 would read two of sixty


@pytest.mark.parametrize("length", [1, 15, 30, 45, 60])
def test_calibration_reads_every_step_of_a_clip_about_equally_often(length):
    for n in [*range(1, 60, 7), *range(470, 520), *range(950, 1030), 1400, 2047, 2048, 5500]:
        read = np.arange(0, n * length, stride(n, length, 1024))
        seen = np.bincount(read % length, minlength=length)
        assert len(read) <= 1024 and ((seen.min() >= 1 and seen.max() - seen.min() <= 1) or n < 60)


def test_a_phase_that_stands_out_does_not_change_the_calibration_with_the_number_of_labels():
    """Steps of 1 where a clip begins and 0 elsewhere: their spread is that of one step in fifteen, for any number of clips."""
    obs = np.zeros((1100, 15, 3), np.float32)
    obs[:, 0] = 1
    side = Steps(obs, np.zeros((1100, 15, 2), np.float32), np.zeros((1100, 15), np.float32))
    ones = np.ones(1100, np.float32)
    for n in (900, 956, 990, 1024, 1027, 1100):
        data = Dataset(some(comparing.comparisons(side, side, ones), slice(n)), PREPARE, 1, 0)
        assert data.steps(2048)[:, 0].mean() == pytest.approx(1 / 15, rel=0.02)


@pytest.mark.parametrize("effort", [1, 150])
def test_each_member_is_calibrated_over_the_labelled_clips(effort):
    reward, asked = ensemble(), compared(100)
    reward.fit(Evidence(asked), effort)
    state = reward.snapshot()
    raw = np.concatenate(
        [reward.predict_members(comparing.left(asked)), reward.predict_members(comparing.right(asked))], axis=1
    ).reshape(3, -1)
    members = (raw - state["outputs/mean"]) / state["outputs/std"]
    assert members.mean(axis=1) == pytest.approx(np.zeros(3), abs=1e-3)
    assert members.std(axis=1) == pytest.approx(np.ones(3), abs=1e-3)
    together = np.concatenate([reward(rollout(comparing.left(asked))).T, reward(rollout(comparing.right(asked))).T]).ravel()
    assert together == pytest.approx(members.mean(axis=0), abs=1e-4)  # r-hat: the mean of the calibrated members


def test_reading_never_writes():
    asked, other = compared(60), clips(30, 7)
    quiet, read = ensemble(), ensemble()
    for effort in (10, 20, 30):
        quiet.fit(Evidence(asked), effort)
        read.fit(Evidence(asked), effort)
        values = [read(rollout(other)) for _ in range(5)]
        read.predict_members(other)
        assert all(np.array_equal(v, values[0]) for v in values)
        assert same(quiet.snapshot(), read.snapshot())


def test_a_steps_reward_does_not_depend_on_its_company():
    reward, steps = ensemble(), clips(20, 3)
    reward.fit(Evidence(compared(60)), 30)
    assert reward(rollout(steps[:3])) == pytest.approx(reward(rollout(steps))[:, :3], abs=1e-6)


# Levels, snapshots


def test_effort_is_a_level():
    one, two, asked = ensemble(), ensemble(), compared(50)
    assert one.fit(Evidence(some(asked, slice(0))), 10) == {} and one.snapshot()["steps"] == 0
    last = one.fit(Evidence(asked), 40)
    two.fit(Evidence(asked), 15)
    assert two.fit(Evidence(asked), 40) == last and same(one.snapshot(), two.snapshot())
    assert one.fit(Evidence(asked), 40) == one.fit(Evidence(asked), 7) == one.fit(Evidence(compared(60)), 40) == {}
    assert same(one.snapshot(), two.snapshot())


@pytest.mark.parametrize("settings", [{}, {"augment": Crop(seed=0)}, {"ema_window": 0.1}], ids=["whole", "cropped", "averaged"])
def test_a_snapshot_goes_on_bit_for_bit(settings):
    asked = compared(80)
    check_model_goes_on(lambda: ensemble(**settings), some(asked, slice(50)), asked, (25, 60), rollout(comparing.left(asked)))


# Inputs


def test_discrete_actions_become_one_hot():
    space = spaces.Discrete(3, start=-1)
    x = encode(np.array([[0.5], [0.25]]), np.array([-1, 1]), space)
    assert x.tolist() == [[0.5, 1, 0, 0], [0.25, 0, 0, 1]]
    obs, act = np.zeros((30, 4, 1), np.float32), np.random.default_rng(0).integers(-1, 2, (60, 4))
    left, right = (Steps(obs, a, a.astype(np.float32)) for a in np.split(act, 2))
    gap = left.true_reward.sum(1) - right.true_reward.sum(1)
    asked = comparing.comparisons(left, right, (np.sign(gap) + 1) / 2)
    reward = mlp_ensemble(spaces.Box(0, 1, (1,)), space, loss=CrossEntropy(), regulariser=NoRegularisation(), hidden=(16,))
    reward.fit(Evidence(asked), 100)
    values = reward(Rollout(np.zeros((3, 1, 1)), np.array([[-1], [0], [1]]), np.zeros((3, 1)), np.zeros((3, 1), bool), None, act))
    assert values[0, 0] < values[1, 0] < values[2, 0]


def moments(*parts):
    counted = Moments(2)
    for part in parts:
        counted.extend(np.array(part, np.float32))
    return counted.normaliser(unit_variance)


def test_inputs_that_do_not_last_are_made_small():
    # clips' means 2 and 6, variance within 1; means 2 and 4, within 4: both vary by 5 in all, by 4 and 1 from clip to clip
    counted = Moments(2)
    counted.extend(np.array([[[1.0, 0.0], [3.0, 4.0]], [[5.0, 2.0], [7.0, 6.0]]], np.float32))
    ahead = torch.tensor([4 + 5**0.5, 3 + 5**0.5])
    assert counted.normaliser(unit_variance)(ahead).tolist() == pytest.approx([1, 1])
    assert counted.normaliser(between_clip_variance)(ahead).tolist() == pytest.approx([1, 0.25])
    still = np.zeros(2)
    assert between_clip_variance(still, still).tolist() == [1.0, 1.0] and (between_clip_variance(still, np.ones(2)) == 1).all()


def test_the_normaliser_leaves_constants_alone_and_clips_spikes():
    normalise = moments([[[1.0, 7.0], [3.0, 7.0]]], [[[5.0, 7.0], [7.0, 7.0]]])  # first input: 4 +- sqrt 5
    assert normalise(torch.tensor([4.0 + 5**0.5, 7.0])).tolist() == pytest.approx([1, 0])
    assert normalise(torch.tensor([[1e6, 8.0], [-1e6, 7.0]])).tolist() == [[CLIP, 1.0], [-CLIP, 0.0]]
    assert Normaliser.identity(2)(torch.tensor([3.0, -4.0])).tolist() == [3.0, -4.0]


def test_moments_do_not_depend_on_how_the_clips_came():
    x = np.random.default_rng(0).normal([3, 1000], [1, 0.01], size=(50, 7, 2)).astype(np.float32)
    whole, parts = moments(x), moments(x[:1], x[1:20], x[20:20], x[20:])
    assert torch.equal(whole.mean, parts.mean) and torch.equal(whole.unit, parts.unit)
    assert whole.unit.tolist() == pytest.approx(x.reshape(-1, 2).astype(np.float64).std(axis=0).tolist(), rel=1e-6)


@pytest.mark.parametrize("obs, act", [(spaces.Discrete(4), ACT), (spaces.Box(0, 1, (2,)), spaces.Text(3))])
def test_other_spaces_are_refused(obs, act):
    with pytest.raises(UserError, match="reward model reads"):
        mlp_ensemble(obs, act, loss=CrossEntropy(), regulariser=NoRegularisation())


def test_the_true_reward_in_the_learned_ones_place():
    reward, steps = TrueReward(spaces.Discrete(2), ACT), clips(4, 0)
    assert np.array_equal(reward(rollout(steps)), rollout(steps).true_reward)
    assert reward.predict_members(steps).shape == (1, 4, 5) and np.array_equal(
        reward.predict_members(steps)[0], steps.true_reward
    )
    assert reward.fit(Evidence(compared(3)), 100) == {} and reward.snapshot() == {}


# Fitted in the background


def come_up(behind):
    """Wait for its process."""
    while behind._starting is None or not behind._starting.ready:
        time.sleep(0.05)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_background_fit_is_the_fit(threads):
    alone, behind = ensemble(), AsynchronousReward(ensemble, threads)
    more = compared(40)
    few = some(more, slice(20))
    behind.begin(Evidence(some(more, slice(0))), 0)
    assert behind.fitted() == {}  # there is nothing to fit
    first = alone.fit(Evidence(few), 20)
    behind.begin(Evidence(few), 20)
    assert np.array_equal(behind(rollout(comparing.left(more))), alone(rollout(comparing.left(more))))
    if threads > 1:
        come_up(behind)
    assert behind.fitted() == first and behind.fitted() == {}  # said once
    second = alone.fit(Evidence(more), 50)
    behind.begin(Evidence(more), 50)
    assert np.array_equal(behind.predict_members(comparing.left(more)), alone.predict_members(comparing.left(more)))
    assert behind.fitted() == second
    behind.begin(Evidence(more), 50)
    assert behind.fitted() == {}  # no gradient step was due
    assert same(behind.snapshot(), alone.snapshot())


class Elsewhere(TrueReward):
    """Tells of the process it is fitted in; fails, is killed, or waits for the file `gate`, where it is asked to."""

    def __init__(self, gate=None):
        self._where, self._gate = 0, gate

    def fit(self, evidence, effort):
        if effort == 13:
            raise ZeroDivisionError("thirteen")
        if effort == 99:
            os.kill(os.getpid(), signal.SIGKILL)
        while effort == 5 and not Path(self._gate).exists():
            time.sleep(0.01)
        self._where = os.getpid()
        return {"comparisons": float(len(evidence.comparisons)), "nice": float(os.nice(0))}

    def snapshot(self):
        return {"where": np.array(self._where)}

    def restore(self, state):
        self._where = int(state["where"])


def moved_out(make=Elsewhere):
    """With its process come up; before that, fits are made here."""
    behind = AsynchronousReward(make, threads=2)
    behind.begin(Evidence(compared(2)), 1)
    come_up(behind)
    return behind


def found(behind, comparisons, effort):
    """What a fit found, after it is done."""
    behind.begin(Evidence(comparisons), effort)
    return behind.fitted()


@pytest.mark.timeout(120)
def test_fits_go_on_in_a_process_that_stands_back(tmp_path):
    behind = moved_out(partial(Elsewhere, str(tmp_path / "gate")))
    assert int(behind.snapshot()["where"]) == os.getpid()
    assert behind.fitted() == {"comparisons": 2, "nice": os.nice(0)}
    assert found(behind, compared(3), 2) == {"comparisons": 3, "nice": min(os.nice(0) + 10, 19)}
    assert int(behind.snapshot()["where"]) not in (0, os.getpid())
    behind.begin(Evidence(compared(4)), 5)  # which is not done before the gate opens
    (tmp_path / "gate").touch()
    assert behind.fitted()["comparisons"] == 4


def test_a_model_that_no_process_can_be_told_of_stays_here():
    behind = AsynchronousReward(lambda: Elsewhere(), threads=2)
    for effort in (1, 2):
        behind.begin(Evidence(compared(3)), effort)
    assert int(behind.snapshot()["where"]) == os.getpid() and behind._starting is None


def test_what_a_background_fit_raises_is_raised_where_it_is_waited_for():
    behind = moved_out()
    behind.begin(Evidence(compared(3)), 13)
    with pytest.raises(ZeroDivisionError, match="thirteen") as raised:
        behind.predict_members(clips(2, 0))
    assert "in fit" in "".join(raised.value.__notes__)
    assert found(behind, compared(3), 2)["comparisons"] == 3  # and it is there for more


def test_a_fit_that_is_killed_says_so():
    behind = moved_out()
    behind.begin(Evidence(compared(3)), 99)
    with pytest.raises(UserError, match="has ended"):
        behind.predict_members(clips(2, 0))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_stops_the_run(number):
    class Broken(TrueReward):
        def __call__(self, rollout):
            predicted = rollout.true_reward.copy()
            predicted[2, 1] = number
            return predicted

    behind = AsynchronousReward(lambda: Broken(spaces.Discrete(2), ACT), threads=1)
    with pytest.raises(UserError, match=r"has diverged: .* for step \[2\] of environment 1 "):
        behind(rollout(clips(3, 0)))


OWNER = """
import sys, time
from rlhp.types import Evidence
from test_reward import compared, moved_out

behind = moved_out()
behind.begin(Evidence(compared(3)), 2)
print(int(behind.snapshot()["where"]), flush=True)
time.sleep(60)
"""


def test_the_process_ends_with_a_killed_owner(tmp_path):
    (tmp_path / "owner.py").write_text(OWNER)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, str(tmp_path / "owner.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as owner:
        fitter = int(next(iter(owner.stdout or ())))
        os.kill(fitter, 0)  # it is there
        owner.kill()
    end = time.monotonic() + 60  # it may be coming up yet, on a busy machine
    while time.monotonic() < end and Path(f"/proc/{fitter}").exists() and " Z " not in Path(f"/proc/{fitter}/stat").read_text():
        time.sleep(0.05)
    assert time.monotonic() < end


def test_a_background_snapshot_holds_what_is_not_yet_told():
    asked = compared(20)
    one, two = (AsynchronousReward(ensemble, threads) for threads in (2, 1))
    one.begin(Evidence(asked), 20)
    two.restore(one.snapshot())
    assert one.fitted() == two.fitted() != {}
    assert found(one, asked, 40) == found(two, asked, 40) != {}
    assert same(one.snapshot(), two.snapshot())


def test_a_process_apart_goes_on_from_a_snapshot():
    asked = compared(20)
    one, two = (AsynchronousReward(ensemble, threads) for threads in (1, 2))
    one.begin(Evidence(asked), 20)
    two.restore(one.snapshot())
    two.begin(Evidence(asked), 20)  # nothing to do, but for the process to come up
    come_up(two)
    for effort in (40, 60):
        for background in (one, two):
            background.begin(Evidence(asked), effort)
    assert two._fit_process is not None
    assert same(one.snapshot(), two.snapshot())


def test_averaged_weights_jump_less_and_learn_as_much():
    asked, unasked = compared(200, flips=0.1), clips(200, 99)

    def jumps_and_correlation(ema_window):
        reward = ensemble(ema_window=ema_window)
        seen = []
        for effort in range(400, 420):
            reward.fit(Evidence(asked), effort)
            seen.append(reward(rollout(unasked)))
        jumps = np.std(np.diff(seen, axis=0))
        return jumps, np.corrcoef(seen[-1].ravel(), unasked.true_reward.T.ravel())[0, 1]

    jump, correlation = jumps_and_correlation(0.0)
    steady_jump, steady_correlation = jumps_and_correlation(0.05)
    assert steady_jump < 0.5 * jump
    assert steady_correlation >= correlation - 0.005
