"""Speed of the Atari environments, compared with the emulator alone and with ale-py's own vector environment.

    python experiments/speed/atari.py

Rates are measured in turn, in rounds, and reported as medians over the rounds of each rate's share of `emulator` in the same
round: per second, and per second of processor time, which other load on the machine does not change.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from ale_py.vector_env import AtariVectorEnv

from rlhp.atari import GAMES, Game
from rlhp.atari.emulator import FRAME_SKIP, console
from rlhp.envs.atari import AtariVecEnv, make

N = 8  # environments
Step = Callable[[np.ndarray], None]
Clock = Callable[[], float]


@contextmanager
def emulator(game: Game) -> Iterator[tuple[Step, Clock]]:
    """Run only `act`: no images, no states."""
    consoles = [console(game) for _ in range(N)]
    moves = consoles[0].getMinimalActionSet()

    def step(actions: np.ndarray) -> None:
        for ale, action in zip(consoles, actions, strict=True):
            move = moves[action]
            for _ in range(FRAME_SKIP):
                ale.act(move)
            if ale.game_over():
                ale.reset_game()

    yield step, process_time


@contextmanager
def ale_py(game: Game) -> Iterator[tuple[Step, Clock]]:
    """Run AtariVectorEnv on one thread: frames without masks, no states."""
    settings = {"reward_clipping": False, "use_fire_reset": False, "stack_num": 1, "num_threads": 1}
    env = AtariVectorEnv(game.rom, N, **settings)
    env.reset(seed=0)
    yield env.step, process_time
    env.close()


def ours(threads: int) -> Callable[[Game], AbstractContextManager[tuple[Step, Clock]]]:
    """Run rlhp's environments: masked frames, and the states from which clips are rendered."""

    @contextmanager
    def opened(game: Game) -> Iterator[tuple[Step, Clock]]:
        env = make(game.name, N, seed=0, threads=threads)
        env.reset()

        def step(actions: np.ndarray) -> None:
            env.step(actions)
            env.states()

        yield step, lambda: process_time() + sum(map(used, workers(env)))
        env.close()

    return opened


def workers(env: AtariVecEnv) -> list[int]:
    return [process.pid for process in getattr(env._players, "_processes", [])]


def used(pid: int) -> float:
    """Return the processor time of another process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


VARIANTS = {"emulator": emulator, "ale_py": ale_py, "rlhp, 1 thread": ours(1), "rlhp, 2 threads": ours(2)}


def rates(step: Step, clock: Clock, actions: np.ndarray) -> tuple[float, float]:
    """Measure environment steps per second, and per second of processor time."""
    started, began = perf_counter(), clock()
    for row in actions:
        step(row)
    return actions.size / (perf_counter() - started), actions.size / (clock() - began)


def measured(game: Game, rounds: int, steps: int) -> np.ndarray:
    """Measure both rates of every variant: [variants, rounds, 2]."""
    found, choices = np.zeros((len(VARIANTS), rounds, 2)), len(console(game).getMinimalActionSet())
    with ExitStack() as stack:
        running = [stack.enter_context(opened(game)) for opened in VARIANTS.values()]
        for r in range(rounds):
            actions = np.random.default_rng(r).integers(choices, size=(steps, N))
            for k, (step, clock) in enumerate(running):
                found[k, r] = rates(step, clock, actions)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300, help="steps of each environment in a round")
    parser.add_argument("--games", nargs="*", default=["pong", "breakout", "seaquest"])
    given = parser.parse_args()
    print(f"{'game':14}{'variant':17}{'steps/s':>9}{'share':>7}{'steps/cpu-s':>13}{'share':>7}")
    for name in given.games:
        found = measured(GAMES[name], given.rounds, given.steps)
        shares = np.median(found / found[:1], axis=1)
        for variant, (wall, cpu), (of_wall, of_cpu) in zip(VARIANTS, np.median(found, axis=1), shares, strict=True):
            print(f"{name:14}{variant:17}{wall:9.0f}{of_wall:7.2f}{cpu:13.0f}{of_cpu:7.2f}")


if __name__ == "__main__":
    main()
