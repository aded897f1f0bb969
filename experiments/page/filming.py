"""What a film costs: CPU seconds to draw and to encode a clip, by the size of its pictures and the samples of a pixel."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import mujoco
import numpy as np

from rlhp import film, robots
from rlhp.film.render import Aids, clip_renderer

STEPS = {"hopper": 60, "halfcheetah": 30, "ant": 30}  # of a clip that lasts 1.5 s (appendix A.1)


def states(robot: str) -> np.ndarray:
    """The states [L, nq + nv] of a clip with random actions."""
    model, rng = robots.find(robot).model(), np.random.default_rng(0)
    data, found = mujoco.MjData(model), []
    for _ in range(STEPS[robot]):
        data.ctrl[:] = rng.uniform(-1, 1, model.nu)
        mujoco.mj_step(model, data, 5)
        found.append(np.concatenate([data.qpos, data.qvel]))
    return np.array(found)


def cost(robot: str, size: int, samples: int, file: Path) -> tuple[float, float, int]:
    """CPU seconds to draw, CPU seconds to encode, bytes."""
    clip, scene = states(robot), film.MuJoCo(robot)
    with clip_renderer(robots.find(robot).model(), scene.view, size, Aids(marks=True), samples) as shoot:
        next(iter(shoot(clip)))  # the first picture takes longer
        began = time.process_time()
        pictures = list(shoot(clip))
        drawn = time.process_time()
        film.write(pictures, file, scene.fps)
    return drawn - began, time.process_time() - drawn, file.stat().st_size


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[400, 600])
    arguments = parser.parse_args()
    print("| robot | pixels | samples | draw, CPU s | encode, CPU s | kB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for robot in STEPS:
            for size in arguments.sizes:
                for samples in (4, 0):
                    drawn, encoded, bytes_ = cost(robot, size, samples, Path(folder) / "clip.mp4")
                    print(f"| {robot} | {size} | {samples} | {drawn:.2f} | {encoded:.2f} | {bytes_ / 1000:.0f} |", flush=True)


if __name__ == "__main__":
    main()
