"""A reward model fitted in a process of its own."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Event, Thread
from traceback import format_exc
from typing import IO, Any

import torch

from rlhp.types import Array, Evidence, Metrics, RewardModel, UserError

BEHIND = 10  # of niceness: threads of physics wait for each other at every step, and a fit beside them must not hold one up
PROGRAM = "from rlhp.reward.fit_process import serve; serve()"  # not multiprocessing's: that would run the main program once more
READY = "ready"

State = dict[str, Array]


Make = Callable[[], RewardModel]


def can_move(make: Make) -> bool:
    """Whether a process can be told how to make the model; classes and functions of one's own must be importable."""
    try:
        return bool(pickle.dumps(make))
    except (pickle.PicklingError, AttributeError, TypeError):
        return False


class FitProcess:
    """A process that holds a model of its own and fits it.

    A gradient step is many small calls, and a thread would make each of them under Python's lock, at the expense of the policy's
    update beside it, which is many small calls as well. Comparisons are sent once; what comes back is what the model then is. The
    process ends with the one that began it, however that ends.
    """

    def __init__(self, make: Make) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the keyboard is for whoever began it
        )
        self._sent = (0, 0)  # clips and comparisons
        self._told = False  # of the demonstrations
        self._there = Event()
        self._send((make, torch.get_num_threads()))
        Thread(target=self._listen, daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether it has come up, which takes some seconds. If it cannot, it says why on standard error, and never is."""
        return self._there.is_set()

    def _listen(self) -> None:
        with suppress(EOFError, OSError, ValueError):
            if pickle.load(self._process.stdout) == READY:  # type: ignore[arg-type]
                self._there.set()

    def restore(self, state: State) -> None:
        """Go on from a snapshot."""
        self._send(state)

    def begin(self, evidence: Evidence, gradient_steps: int) -> None:
        """Let it fit; of all comparisons so far, those that it was given before must be the first."""
        comparisons = evidence.comparisons
        demonstrations = None if self._told else evidence.demonstrations
        news = replace(evidence, comparisons=comparisons.after(*self._sent), demonstrations=demonstrations)
        self._send((news, comparisons.flagged, gradient_steps))
        self._sent, self._told = (len(comparisons.clips), len(comparisons)), True

    def result(self) -> tuple[Metrics, State]:
        """What came of the fit that was begun, when it is done, and a snapshot; raises what the fit raised."""
        with _there():
            outcome = pickle.load(self._process.stdout)  # type: ignore[arg-type]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _send(self, order: Any) -> None:
        with _there():
            _write(self._process.stdin, order)  # type: ignore[arg-type]

    def __del__(self) -> None:
        with suppress(OSError), self._process:
            self._process.kill()  # it has nothing that is not here as well


@contextmanager
def _there() -> Iterator[None]:
    """Raises UserError where the process at the other end is gone."""
    try:
        yield
    except (EOFError, OSError, pickle.UnpicklingError) as error:
        raise UserError(
            "the process that fits the reward model is gone, perhaps killed for want of memory; the same command goes on from "
            "the last checkpoint, and threads=1 does without such a process."
        ) from error


def _write(pipe: IO[bytes], order: Any) -> None:
    pickle.dump(order, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def serve() -> None:
    """The process's life: orders from its input, outcomes to its output, until whoever began it is gone."""
    if hasattr(os, "nice"):
        os.nice(BEHIND)
    orders, outcomes = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed must not get in between
    with suppress(EOFError, BrokenPipeError):
        make, torch_threads = pickle.load(orders)
        torch.set_num_threads(torch_threads)
        model, known, demonstrations = make(), None, None
        _write(outcomes, READY)
        while True:
            order = pickle.load(orders)
            if isinstance(order, dict):
                model.restore(order)
                continue
            more, flagged, gradient_steps = order
            known = (more.comparisons if known is None else known.joined(more.comparisons)).marked(flagged)
            demonstrations = more.demonstrations or demonstrations
            _write(outcomes, _outcome(model, Evidence(known, more.behaviour, demonstrations), gradient_steps))


def _outcome(model: RewardModel, evidence: Evidence, gradient_steps: int) -> tuple[Metrics, State] | Exception:
    try:
        return model.fit(evidence, gradient_steps), model.snapshot()
    except Exception as error:
        error.add_note(format_exc())  # where it happened, which does not travel with it
        return error
