"""The protocols that components implement. They are structural: nothing inherits.

Shapes as in `rlhp.types.rollouts` and `rlhp.types.comparisons`; M members of an ensemble.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import numpy as np

from rlhp.types.basics import Array, Metrics
from rlhp.types.clips import Deflated, Segment, Steps
from rlhp.types.comparisons import Answer, Comparisons, Evidence, Query
from rlhp.types.rollouts import Behaviour, Rollout


@runtime_checkable
class Stateful(Protocol):
    """A component whose state changes during training and is part of the checkpoint."""

    def snapshot(self) -> dict[str, Array]:
        """Return everything that the next step depends on, as arrays."""
        ...

    def restore(self, state: dict[str, Array]) -> Any:
        """Continue from a snapshot of a component built in the same way."""
        ...


class Env(Protocol):
    """N environments: what an environment needs beyond SB3's `VecEnv`.

    A step's reward is the true reward, which the teacher judges by. An environment may hide the ends of its episodes from the
    agent: it then sets `info["cut"]` if a real reset follows a step that is not done. `info["score"]` at the end of an episode
    is its score for people and tables, if that is not the sum of true rewards. Four attributes are optional: `stack` (default
    1), the number of newest observations that a network sees together; `replays` (False), whether the first state and the
    actions are enough to render a clip; `terminates` (True), whether the agent may see an episode end before the horizon; and
    `bindings` (none), a sequence of `rlhp.keys.Binding`, the keys by which a person acts.

    An environment that is also `Stateful` resumes exactly. Its `restore` returns the observations, or None if it can only
    continue from a reset.
    """

    num_envs: int
    task: str
    horizon: int | None  # steps after which an episode ends; None: unknown

    def states(self) -> Array | tuple[Deflated, ...] | None:
        """What clips are rendered from, at the current observation; called before each action.

        [N, S]: simulator states, which the `film` of the environment's yaml renders in another process. An environment that
        cannot be rendered later returns frames of its first k <= N environments instead: k frames [H, W, 3] uint8 of one size,
        each compressed (`rlhp.types.deflated`). Segments are then cut from these environments alone, and k may change from
        step to step. None: there are no clips to show.
        """
        ...

    def desynchronise(self, interval: int | None = None, fraction: float = 0.0) -> None:
        """Start the environments at different times, and reset a `fraction` of them every `interval` steps.

        May raise UserError.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class Filming(Protocol):
    """An environment that can keep frames. Rendering takes time, so it keeps only as many as are needed."""

    @property
    def films(self) -> bool:
        """Whether it keeps frames at all."""
        ...

    def film(self, wanted: Callable[[], int]) -> None:
        """From now on keep frames of the first `wanted()` environments; `wanted` is called before each step."""
        ...


class Memory(Protocol):
    """Recent segments of the agent's behaviour, which queries are selected from.

    The attribute `pending` is optional (default 0): the number of steps kept until there are enough to cut segments from.
    """

    @property
    def heldout(self) -> Sequence[Segment]:
        """Held-out segments: used for evaluation, never for queries; may be empty."""
        ...

    def __len__(self) -> int: ...
    def add(self, rollout: Rollout) -> None: ...
    def sample(self, n: int, clips: int, rng: np.random.Generator) -> list[tuple[Segment, ...]]:
        """Draw n tuples of `clips` different segments, uniformly."""
        ...


class Predictor(Protocol):
    """The predictions of r-hat."""

    def __call__(self, rollout: Rollout) -> Array:
        """Predict the reward of each step, [T, N] float32: calibrated, the mean over members. Changes no state."""
        ...

    def predict_members(self, steps: Steps) -> Array:
        """The uncalibrated reward by each member, [M, n, L], as the preference model sums it."""
        ...


class RewardModel(Predictor, Stateful, Protocol):
    """r-hat as a component: how it predicts and how it is fitted.

    A reward model that is also fitted to the policy's behaviour has an attribute `watches = True` and receives the newest
    rollout. One whose reward depends partly on that policy has a method `freeze()`, which removes this part before the reward
    trains another policy.
    """

    def fit(self, evidence: Evidence, gradient_steps: int) -> Metrics:
        """Train on the evidence so far until `gradient_steps` have been made since the start of the run."""
        ...


class Reward(Predictor, Protocol):
    """r-hat as the loop uses it: a fit may run in the background.

    The attribute `watches` is optional (default False): whether the reward model is also fitted to the newest rollout.
    """

    def begin(self, evidence: Evidence, gradient_steps: int) -> None:
        """Start a fit, as `RewardModel.fit` does it. Predictions wait until it is done."""
        ...

    def fitted(self) -> Metrics:
        """Wait for the last fit and return its metrics; empty before the first fit and if they were returned already."""
        ...


class Teacher(Protocol):
    """Answers queries. The loop does not wait for a teacher with the attribute `needs_time = True`, who answers later."""

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer | Sequence[Answer]]:
        """Answer those of the unanswered queries that can be answered now, by id; may be empty.

        Answers of several annotators to one query are a sequence.
        """
        ...


class Trainer(Protocol):
    """Watches the agent and gives feedback on single actions: good or bad."""

    def __call__(self, rollout: Rollout, step: int) -> Array:
        """Feedback received during each step of the newest rollout, [T, N] float: > 0 is good, < 0 is bad, 0 is none.

        Since people react late, it may be about earlier actions, also those of earlier rollouts.
        """
        ...


class QuerySelector(Protocol):
    """Selects the segments to compare."""

    def __call__(self, memory: Memory, n: int, reward: Predictor, step: int) -> list[tuple[Segment, ...]]:
        """Select up to n queries; none while memory holds too few segments for n."""
        ...


def all_at_once(asked: int, grows: bool, step: int, total_steps: int) -> bool:
    """Whether the initial queries wait until all of them can be asked.

    They do if none has been asked yet, memory grows and half of the run is left. Otherwise, with too few segments in memory,
    some are asked now and the rest later.
    """
    return asked == 0 and grows and 2 * step <= total_steps


class Schedule(Protocol):
    """The total number of labels by a step. It is a level, not an increment, so it can be read at any time and repeatedly."""

    def __call__(self, step: int) -> int: ...


class TrainingSchedule(Protocol):
    """The total number of the reward model's gradient steps by a step, given the labels used so far; a level too."""

    def __call__(self, step: int, labels: int) -> int: ...


class Agent(Protocol):
    """Acts, and maximises the reward that it receives."""

    num_timesteps: int
    n_steps: int  # of a rollout, in each environment

    def rollouts(self, total_steps: int) -> Iterator[Rollout]: ...
    def behaviour(self) -> Behaviour:
        """The last rollout without its true reward, and the policy that made it; call it before `update`."""
        ...

    def update(self, reward: Array) -> Metrics:
        """Improve the policy on the last rollout with this reward [T, N]."""
        ...


class Store(Protocol):
    """Stores queries and answers: loop and teachers exchange them only here."""

    @property
    def asked(self) -> int: ...
    @property
    def used(self) -> int:
        """The number of answers that the reward model has received; 'cannot tell' counts."""
        ...

    @property
    def demonstrated(self) -> int:
        """The number of comparisons answered by demonstrations; they count neither as asked nor as used."""
        ...

    def demonstrate(self, pairs: Sequence[tuple[Segment, Segment]], step: int) -> None: ...
    def ask(self, questions: Sequence[tuple[Segment, ...]], step: int) -> None: ...
    def unanswered(self) -> list[Query]: ...
    def answer(self, answers: Mapping[int, Answer | Sequence[Answer]], teacher: str = ...) -> None: ...
    def wait(self, max_pending: int | None) -> None: ...
    def settle(self) -> None:
        """Make all answers final, so that none can be undone and the next `collect` returns them all."""
        ...

    def collect(self, step: int) -> Comparisons: ...


class Run(Protocol):
    """A run directory."""

    def log(self, step: int, metrics: Metrics) -> None: ...
    def warn(self, topic: str, text: str) -> None:
        """Warn the user once per topic that the run cannot do as configured; an empty text withdraws the warning."""
        ...

    def end_step(self, step: int) -> None: ...


class Loop(Protocol):
    """A learning method: runs from the start of a run, or its last checkpoint, to its end. It is `Stateful` if it has state."""

    def __call__(self, store: Store, run: Run) -> None: ...


@runtime_checkable
class Drawing(Protocol):
    """Renders the clips of an environment and videos of a policy; the environment's yaml names it as `film`.

    It is built from that yaml alone, also by processes without training and without torch, so building it must be cheap.
    """

    @property
    def fps(self) -> Fraction | int:
        """Frames per second at which people watch a clip."""
        ...

    @property
    def dt(self) -> float:
        """Seconds of simulated time between two frames; videos of a policy play in simulated time."""
        ...

    def check(self) -> None:
        """Raises UserError if this machine cannot render."""
        ...

    def clip_renderer(self, size: int) -> AbstractContextManager[Callable[[Segment], Iterator[Array]]]:
        """Return a renderer of segments: frames [H, W, 3] uint8 of about `size` pixels, one per step.

        Its setup may be slow and is done once for many segments, in one thread. Setup and rendering may raise UserError.
        """
        ...
