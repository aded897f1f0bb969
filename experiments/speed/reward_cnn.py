"""What a gradient step of the reward model on images costs, with its approximations one after the other.

    python experiments/speed/reward_cnn.py [--rounds 5]

One thread; 16 pairs of clips of 25 stacks of four 84 x 84 frames, as on Atari. Variants take turns, a step each, so that what
else the machine does falls on all of them; times are medians of processor time. Prints the tables in README.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from gymnasium import spaces
from torch import nn

from rlhp.preference import CrossEntropy
from rlhp.reward import NoRegularisation, RewardEnsemble, cnn_ensemble
from rlhp.reward.cnn import PAPER
from rlhp.types import Clips, Comparisons, Evidence, Segment, Steps, stack

PAIRS, STEPS, STACK, SIZE = 16, 25, 4, 84
SEEN, ACTIONS = spaces.Box(0, 255, (STACK, SIZE, SIZE), np.uint8), spaces.Discrete(6)


@dataclass(frozen=True, slots=True)
class Variant:
    """What is timed: a call that makes one gradient step of one member."""

    name: str
    step: Callable[[], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    clips = [film(np.random.default_rng(n)) for n in range(64)]
    comparisons = compared(clips)
    print_steps(variants(comparisons), rounds)
    print_predictions(stack(clips[:16]), rounds)
    inflated = median(lambda: clips[0].obs, 20)
    print(f"\nInflating a clip takes {1e3 * inflated:.2f} ms.")


def film(rng: np.random.Generator) -> Segment:
    """A dot that moves over a fixed picture, as deflated as a game's clips."""
    frames = np.tile(rng.integers(0, 255, (12, 12), dtype=np.uint8).repeat(7, 0).repeat(7, 1), (STEPS + STACK - 1, 1, 1))
    for frame, (row, column) in zip(frames, rng.integers(0, SIZE - 4, (len(frames), 2)), strict=True):
        frame[row : row + 4, column : column + 4] = 255
    return Segment(frames, np.zeros(STEPS, np.int64), rng.normal(size=STEPS).astype(np.float32), None)


def compared(clips: list[Segment]) -> Comparisons:
    """Each clip of the first half against one of the second."""
    n = len(clips) // 2
    steps = stack(clips)
    packed = Clips(tuple(clip.packed_obs for clip in clips), steps.act, steps.true_reward)  # type: ignore[arg-type]
    shown = np.stack([np.arange(n), n + np.arange(n)], axis=1)
    return Comparisons(packed, shown, np.tile([0, 1], (n, 1)), np.arange(n), np.zeros(n, bool))


def variants(comparisons: Comparisons) -> list[Variant]:
    """From the network as modules of torch to all approximations."""
    settings = [
        ("rlhp, exact: float32, channels last", {}),
        ("bfloat16", {"precision": "bfloat16"}),
        ("one step in two", {"precision": "bfloat16", "every": 2}),
        ("one step in four (ensemble_cnn.yaml)", {"precision": "bfloat16", "every": 4}),
        ("one step in four, float32", {"every": 4}),
    ]
    x = torch.randint(0, 255, (2 * PAIRS * STEPS, STACK, SIZE, SIZE), dtype=torch.uint8)
    plain = Variant("modules of torch, float32", partial(step_of_modules, modules(), x))
    return [plain, *(Variant(name, stepper(ensemble(**chosen), comparisons)) for name, chosen in settings)]


def ensemble(**settings: object) -> RewardEnsemble:
    """One member, which calibrates on hardly anything: only gradient steps are timed."""
    fixed = {"members": 1, "batch_size": PAIRS, "calibration_steps": 2, "loss": CrossEntropy(), "regulariser": NoRegularisation()}
    return cnn_ensemble(SEEN, ACTIONS, **fixed, **settings)  # type: ignore[arg-type]


def stepper(model: RewardEnsemble, comparisons: Comparisons) -> Callable[[], None]:
    """One more gradient step at each call."""

    def step() -> None:
        model.fit(Evidence(comparisons), int(model.snapshot()["steps"]) + 1)

    return step


def modules() -> nn.Sequential:
    """The paper's network as it is first written down."""
    parts: list[nn.Module] = []
    channels = STACK
    for filters, kernel, stride in PAPER:
        parts += [nn.Conv2d(channels, filters, kernel, stride), nn.BatchNorm2d(filters), nn.LeakyReLU(0.01), nn.Dropout(0.5)]
        channels = filters
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(784, 64), nn.LeakyReLU(0.01), nn.Linear(64, 1))


def step_of_modules(network: nn.Sequential, x: torch.Tensor) -> None:
    """Forward and backward; its optimiser's share is small."""
    left, right = network(x.float() / 255).reshape(2, PAIRS, STEPS).sum(dim=2)
    nn.functional.softplus(right - left).mean().backward()


def median(call: Callable[[], object], rounds: int) -> float:
    """Seconds of processor time that a call takes."""
    return float(np.median([seconds(call) for _ in range(rounds)]))


def seconds(call: Callable[[], object]) -> float:
    """Of processor time."""
    began = time.process_time()
    call()
    return time.process_time() - began


def print_steps(chosen: list[Variant], rounds: int) -> None:
    """The table of gradient steps."""
    for variant in chosen:
        variant.step()  # what is made at the first step
    times = np.median([[seconds(variant.step) for variant in chosen] for _ in range(rounds)], axis=0)
    print("| gradient step of a member | ms | times as fast |\n|---|---|---|")
    for variant, took in zip(chosen, times, strict=True):
        print(f"| {variant.name} | {1e3 * took:.0f} | {times[0] / took:.1f} |")


def print_predictions(steps: Steps, rounds: int) -> None:
    """The table of predictions."""
    print("\n| prediction | microseconds a stack and member |\n|---|---|")
    for precision in ("float32", "bfloat16"):
        model = ensemble(precision=precision)
        model.predict_members(steps)
        took = median(partial(model.predict_members, steps), rounds)
        print(f"| {precision} | {1e6 * took / steps.true_reward.size:.0f} |")


if __name__ == "__main__":
    main()
