"""Fits a reward model in a subprocess."""

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

NICENESS = 10  # the threads of the physics synchronise at every step, and a fit on the same cores must not delay one of them
PROGRAM = "from rlhp.reward.fit_process import serve; serve()"  # multiprocessing would import the main program again
READY = "ready"

State = dict[str, Array]


Make = Callable[[], RewardModel]


def can_pickle(make: Make) -> bool:
    """Whether the factory can be pickled for a subprocess; user-defined classes and functions must be importable."""
    try:
        return bool(pickle.dumps(make))
    except (pickle.PicklingError, AttributeError, TypeError):
        return False


class FitProcess:
    """A subprocess with its own copy of the model, which it fits.

    A gradient step consists of many small calls. In a thread each of them would hold Python's lock and slow down the policy
    update, which consists of many small calls as well. Each comparison is sent once; a snapshot of the model comes back. The
    subprocess ends with its parent, however that ends.
    """

    def __init__(self, make: Make) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C goes to the parent only
        )
        self._sent = (0, 0)  # number of clips and of comparisons
        self._demonstrations_sent = False
        self._ready = Event()
        self._send((make, torch.get_num_threads()))
        Thread(target=self._listen, daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether it has started, which takes some seconds.

        If it fails to start, it prints the reason to stderr and never becomes ready.
        """
        return self._ready.is_set()

    def _listen(self) -> None:
        with suppress(EOFError, OSError, ValueError):
            if pickle.load(self._process.stdout) == READY:  # type: ignore[arg-type]
                self._ready.set()

    def restore(self, state: State) -> None:
        """Continue from a snapshot."""
        self._send(state)

    def start_fit(self, evidence: Evidence, gradient_steps: int) -> None:
        """Start a fit. The comparisons must begin with those of earlier calls."""
        comparisons = evidence.comparisons
        demonstrations = None if self._demonstrations_sent else evidence.demonstrations
        unsent = replace(evidence, comparisons=comparisons.after(*self._sent), demonstrations=demonstrations)
        self._send((unsent, comparisons.flagged, gradient_steps))
        self._sent, self._demonstrations_sent = (len(comparisons.clips), len(comparisons)), True

    def result(self) -> tuple[Metrics, State]:
        """Wait for the fit; returns its metrics and a snapshot. Raises what the fit raised."""
        with _pipe_errors():
            outcome = pickle.load(self._process.stdout)  # type: ignore[arg-type]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _send(self, request: Any) -> None:
        with _pipe_errors():
            _write(self._process.stdin, request)  # type: ignore[arg-type]

    def __del__(self) -> None:
        with suppress(OSError), self._process:
            self._process.kill()  # its state is also in this process


@contextmanager
def _pipe_errors() -> Iterator[None]:
    """Raise UserError if the subprocess has ended."""
    try:
        yield
    except (EOFError, OSError, pickle.UnpicklingError) as error:
        raise UserError(
            "the process that fits the reward model has ended, perhaps killed because memory ran out; repeat the command to "
            "continue from the last checkpoint, or set threads=1 to fit without such a process."
        ) from error


def _write(pipe: IO[bytes], request: Any) -> None:
    pickle.dump(request, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def serve() -> None:
    """The main function of the subprocess: reads requests from stdin and writes results to stdout until the parent ends."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    requests, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # other output must not mix with the results
    with suppress(EOFError, BrokenPipeError):
        make, torch_threads = pickle.load(requests)
        torch.set_num_threads(torch_threads)
        model, known, demonstrations = make(), None, None
        _write(results, READY)
        while True:
            request = pickle.load(requests)
            if isinstance(request, dict):
                model.restore(request)
                continue
            new, flagged, gradient_steps = request
            known = (new.comparisons if known is None else known.joined(new.comparisons)).marked(flagged)
            demonstrations = new.demonstrations or demonstrations
            _write(results, _result(model, Evidence(known, new.behaviour, demonstrations), gradient_steps))


def _result(model: RewardModel, evidence: Evidence, gradient_steps: int) -> tuple[Metrics, State] | Exception:
    try:
        return model.fit(evidence, gradient_steps), model.snapshot()
    except Exception as error:
        error.add_note(format_exc())  # pickling drops the traceback
        return error
