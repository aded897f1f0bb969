"""The protocols that the parts fulfil; shapes as in `rlhp.types.records`. They are structural: nothing inherits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import numpy as np

from rlhp.types.basics import Array, Metrics
from rlhp.types.clips import Deflated, Segment, Steps
from rlhp.types.records import Answer, Behaviour, Comparisons, Demonstrations, Evidence, Query, Rollout


@runtime_checkable
class Stateful(Protocol):
    """A part that changes while training: its state belongs to the checkpoint."""

    def snapshot(self) -> dict[str, Array]:
        """All that the next step depends on, as arrays."""
        ...

    def restore(self, state: dict[str, Array]) -> Any:
        """Go on from a snapshot of a part built alike."""
        ...


class Env(Protocol):
    """N environments: what is wanted beyond an SB3 `VecEnv`.

    A step's reward is the true one, by which the teacher judges. An environment may hide from the agent where its episodes end:
    it then says `info["cut"]` where a real reset follows a step that is not done. `info["score"]` at an episode's end is its
    score for people and tables, where that is not the sum of true rewards. Four attributes may be absent: `stack` (1), how many
    of its newest observations a network sees together, `replays` (False), whether one state and the actions after it are
    enough to render a clip, `terminates` (True), whether the agent may be told of an end before the horizon, and `bindings`
    (none), a sequence of `rlhp.keys.Binding`: what keys do where a person acts.

    One that is `Stateful` as well resumes exactly; its `restore` returns the observations, or None where it goes on from a reset.
    """

    num_envs: int
    task: str
    horizon: int | None  # steps after which an episode ends; None: not known

    def states(self) -> Array | tuple[Deflated, ...] | None:
        """What clips of people are drawn from, at the current observation; asked before each action.

        [N, S]: simulator states, from which `film` of the environment's yaml renders them, in another process. Or, where nothing
        can be rendered again, what the first k <= N environments look like, k frames [H, W, 3] uint8 of one size, each
        compressed (`rlhp.types.deflated`): clips are then cut from these environments alone, and k may change from step to step.
        None: there are no clips to be shown.
        """
        ...

    def desynchronise(self, interval: int | None = None, fraction: float = 0.0) -> None:
        """Put the environments out of step; a `fraction` of them is reset every `interval` steps. May refuse with UserError."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Filming(Protocol):
    """An environment that can keep frames of what it does, which costs time: it does as long as somebody wants them."""

    @property
    def films(self) -> bool:
        """Whether it is to keep frames at all."""
        ...

    def film(self, wanted: Callable[[], int]) -> None:
        """From now on keep frames of the first `wanted()` environments; it is asked before each step."""
        ...


class Memory(Protocol):
    """Recent clips of the agent's behaviour, from which questions are made.

    `pending` may be absent (0): how many steps are held until there are enough to cut clips from.
    """

    @property
    def heldout(self) -> Sequence[Segment]:
        """Clips that are never offered for questions: for measuring; may be empty."""
        ...

    def __len__(self) -> int: ...
    def add(self, rollout: Rollout) -> None: ...
    def sample(self, n: int, clips: int, rng: np.random.Generator) -> list[tuple[Segment, ...]]:
        """n tuples of `clips` different segments, uniformly."""
        ...


class Predictor(Protocol):
    """What r-hat says."""

    def __call__(self, rollout: Rollout) -> Array:
        """[T, N], float32: calibrated, the mean over members. Reading never writes."""
        ...

    def predict_members(self, steps: Steps) -> Array:
        """[M, n, L]: the members apart and uncalibrated, as the preference model sums them."""
        ...


class RewardModel(Predictor, Stateful, Protocol):
    """r-hat as a part: what predicts, and how it is fitted.

    One that is fitted to what the policy does has an attribute `watches = True`, and is given the newest rollout. One whose
    reward is partly that policy's own has a method `freeze()`, called where the rest of it is to reward another policy.
    """

    def fit(self, evidence: Evidence, gradient_steps: int) -> Metrics:
        """Train on the evidence so far until `gradient_steps` have been made since the start of the run."""
        ...


class Reward(Predictor, Protocol):
    """r-hat as the loop sees it: a fit is begun, and goes on while the loop does.

    `watches` may be absent (False): whether it is fitted to the newest rollout too.
    """

    def begin(self, evidence: Evidence, gradient_steps: int) -> None:
        """Begin to fit, as `RewardModel.fit` does. Whoever asks for a prediction next waits until it is done."""
        ...

    def fitted(self) -> Metrics:
        """What the last fit that was begun found; waits for it. Empty before the first, and when it was told already."""
        ...


class Teacher(Protocol):
    """Who compares. One whose answers come as training goes on has an attribute `needs_time = True`: nobody waits for it."""

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer | Sequence[Answer]]:
        """What it can say now about these open questions, by id; may be empty. Several people's answers are a sequence."""
        ...


class Trainer(Protocol):
    """Who watches the agent and says of single actions whether they are good or bad."""

    def __call__(self, rollout: Rollout, step: int) -> Array:
        """[T, N], float: what was heard during each step of the newest rollout; above 0 is good, below is bad, 0 is nothing said.

        It may be about earlier actions, those of rollouts before included: people are late.
        """
        ...


class QuerySelector(Protocol):
    """Which clips are compared."""

    def __call__(self, memory: Memory, n: int, reward: Predictor, step: int) -> list[tuple[Segment, ...]]:
        """Up to n questions; none while memory holds too little for so many."""
        ...


def all_at_once(asked: int, grows: bool, step: int, total_steps: int) -> bool:
    """Whether the initial questions wait until all can be asked: none is asked yet, memory grows, half of the run is left.

    Otherwise fewer are asked than are wanted where memory holds too little, and the rest later.
    """
    return asked == 0 and grows and 2 * step <= total_steps


class Schedule(Protocol):
    """How many labels are wanted by a step: a level, so it may be asked at any time and any number of times."""

    def __call__(self, step: int) -> int: ...


class TrainingSchedule(Protocol):
    """How many gradient steps of the reward model are wanted by a step, given the labels taken: a level too."""

    def __call__(self, step: int, labels: int) -> int: ...


class Agent(Protocol):
    """What acts, and maximises the reward it is handed."""

    num_timesteps: int
    n_steps: int  # of a rollout, in each environment

    def rollouts(self, total_steps: int) -> Iterator[Rollout]: ...
    def behaviour(self) -> Behaviour:
        """The last rollout without its true reward, and the policy that made it; to be asked before `update`."""
        ...

    def update(self, reward: Array) -> Metrics:
        """Improve the policy on the last rollout, rewarded [T, N]."""
        ...


class Store(Protocol):
    """Questions and answers: the only place where loop and teachers meet."""

    @property
    def asked(self) -> int: ...
    @property
    def used(self) -> int:
        """Answers handed to the reward model so far; 'cannot tell' counts."""
        ...

    @property
    def demonstrated(self) -> int:
        """Comparisons that demonstrations have answered: neither asked nor taken."""
        ...

    def demonstrate(self, pairs: Sequence[tuple[Segment, Segment]], step: int) -> None: ...
    def ask(self, questions: Sequence[tuple[Segment, ...]], step: int) -> None: ...
    def unanswered(self) -> list[Query]: ...
    def answer(self, answers: Mapping[int, Answer | Sequence[Answer]], teacher: str = ...) -> None: ...
    def wait(self, max_pending: int | None) -> None: ...
    def settle(self) -> None:
        """No answer can be undone any more: the next `take` has all there are."""
        ...

    def collect(self, step: int) -> Comparisons: ...


class Run(Protocol):
    """A run directory."""

    def log(self, step: int, metrics: Metrics) -> None: ...
    def warn(self, topic: str, text: str) -> None:
        """Tell the user, once for each topic, what keeps the run from doing what was asked; an empty text takes it back."""
        ...

    def end_step(self, step: int) -> None: ...


class Loop(Protocol):
    """A way of learning, from a run's start or its last checkpoint to its end; what it holds of its own is `Stateful`."""

    def __call__(self, store: Store, run: Run) -> None: ...


@dataclass(frozen=True, slots=True)
class Setup:
    """All parts of a run and the settings that they share: what a part can check itself against before training."""

    env: Env
    agent: Agent
    memory: Memory
    query: QuerySelector
    teacher: Teacher
    reward: Reward
    schedule: Schedule
    training_schedule: TrainingSchedule
    tracker: Any
    total_steps: int
    max_pending: int | None
    reset_interval: int | None  # steps after which some environments are reset
    settings: Mapping[str, Any]  # all of them, for a part that is bound to another run's
    demonstrations: Demonstrations | None = None
    loop: Loop | None = None  # None: not built yet; it is built last, of all the others
    sources: Callable[[int], int] | None = None  # of how many environments, with so many questions asked, clips are; None: all


@runtime_checkable
class Checked(Protocol):
    """A part that can tell whether it works together with the others."""

    def check(self, setup: Setup) -> None:
        """Raises UserError where it does not, in a sentence that says what to change."""
        ...


@runtime_checkable
class Drawing(Protocol):
    """What draws the clips of an environment, and films of a policy; an environment's yaml names it as `film`.

    It is built from that yaml alone, also where no training runs and there is no torch: building one must be cheap.
    """

    @property
    def fps(self) -> Fraction | int:
        """Pictures a second at which people watch a clip."""
        ...

    @property
    def dt(self) -> float:
        """Seconds of simulated time from one picture to the next: a film of a policy shows a second of them in a second."""
        ...

    def check(self) -> None:
        """Raises UserError where this machine cannot draw."""
        ...

    def clip_renderer(self, size: int) -> AbstractContextManager[Callable[[Segment], Iterator[Array]]]:
        """What turns segments into pictures [H, W, 3] uint8 of about `size` pixels, one a step.

        Setting up may be slow: it is done once for many segments, in one thread. May raise UserError, as may drawing.
        """
        ...
