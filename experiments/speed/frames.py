"""Cost of clips of your own environments: steps per second and memory, with frames of no, one and all environments.

    pip install 'gymnasium[box2d]'
    python experiments/speed/frames.py [--rounds 3] [--steps 26] [--ids CarRacing-v3,LunarLander-v3,Hopper-v5]

N environments take random actions, as in a rollout, and clips of 25 steps are cut from the recording. The numbers of filmed
environments alternate within each round; ratios are medians over rounds, relative to the same round without frames. Times are
processor time of one core, so they are valid on a busy machine. Hopper-v5 is simulated by MuJoCo, so its states are recorded
anyway; here it is also rendered while it acts. Writes frames.csv.

Before that, single frames and clips of 25 frames are compressed losslessly by several methods, on the same images: codecs.csv.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import av
import gymnasium
import numpy as np
from PIL import Image

from rlhp import film
from rlhp.agent.recorder import Recorder
from rlhp.csv_records import write_csv
from rlhp.envs import gym
from rlhp.memory import Recent
from rlhp.render import headless, rendered, shrunk
from rlhp.types import Array, Deflated, Film, Frames, deflated
from rlhp.types import film as filmed

HERE = Path(__file__).parent
LENGTH, CAPACITY, SIZE = 25, 1500, 400  # steps of a clip; clips of memory; pixels: as in conf/


def recorder(id: str, n_envs: int, count: int) -> Recorder:
    """Create environments, of which `count` are filmed, and their recorder."""
    made = Recorder(gym.make(id, n_envs, 0, filmed=count))
    made.reset()
    return made


def measured(recorded: Recorder, steps: int, act: Callable[[], Array]) -> dict[str, float]:
    """Measure steps per second, including the cutting of clips, and the sizes of what is kept."""
    memory = Recent(LENGTH, CAPACITY, seed=0)
    begin = time.process_time()
    for _ in range(steps):
        recorded.step(act())
    rollout = recorded.rollout()
    cut = time.process_time()
    memory.add(rollout)
    end = time.process_time()
    frames = [frame for row in rollout.state.rows for frame in row] if isinstance(rollout.state, Frames) else []
    films = [clip.packed_state for clip in memory.clips if isinstance(clip.packed_state, Film)]
    return {
        "steps_per_s": steps * recorded.num_envs / (end - begin),
        "cut_share": (end - cut) / (end - begin),
        "rollout_mb": sum(len(frame.data) for frame in frames) / 1e6,
        "clip_kb": float(np.mean([len(each.data) for each in films])) / 1e3 if films else 0.0,
    }


def compare(id: str, n_envs: int, rounds: int, steps: int) -> list[dict[str, Any]]:
    """Return the rows of the table, one per number of filmed environments."""
    counts = (0, 1, n_envs)
    recorders = {count: recorder(id, n_envs, count) for count in counts}
    rng, space = np.random.default_rng(0), recorders[0].action_space
    space.seed(0)
    found: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    for number in range(rounds + 1):  # the first warms up
        for count in rng.permutation(counts).tolist():
            recorded = recorders[count]
            result = measured(recorded, steps, lambda: np.array([space.sample() for _ in range(n_envs)]))
            if number:
                found[count].append(result)
    for recorded in recorders.values():
        recorded.close()
    return [_row(id, n_envs, count, found) for count in counts]


def _row(id: str, n_envs: int, count: int, found: dict[int, list[dict[str, float]]]) -> dict[str, Any]:
    ratios = [one["steps_per_s"] / none["steps_per_s"] for one, none in zip(found[count], found[0], strict=True)]
    middle = {name: median(result[name] for result in found[count]) for name in found[count][0]}
    memory = middle["clip_kb"] * CAPACITY * count / n_envs / 1e3
    numbers = {"steps_per_s": middle["steps_per_s"], "ratio": median(ratios), "lowest": min(ratios), "highest": max(ratios)}
    kept = {
        "cut_share": middle["cut_share"],
        "rollout_mb": middle["rollout_mb"],
        "clip_kb": middle["clip_kb"],
        "memory_mb": memory,
    }
    return {"env": id, "n_envs": n_envs, "filmed": count} | {name: f"{value:.4g}" for name, value in (numbers | kept).items()}


def clip_of(id: str) -> Array:
    """Return 25 consecutive frames, from the 60th step on, as they are kept."""
    env = gymnasium.make(id, render_mode="rgb_array")
    env.reset(seed=0)
    env.action_space.seed(0)
    pictures: list[Array] = []
    for step in range(60 + LENGTH):
        if step >= 60:
            pictures.append(shrunk(rendered(env), SIZE))
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
    env.close()
    return np.stack(pictures)


def png(picture: Array) -> bytes:
    """Compress as PNG, at the lowest effort."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "png", compress_level=1)
    return out.getvalue()


def video(codec: str, pixels: str, options: dict[str, str]) -> Callable[[Array], bytes]:
    """Return a function that compresses with an encoder of FFmpeg, in one thread."""

    def encode(pictures: Array) -> bytes:
        out = io.BytesIO()
        with av.open(out, "w", format="matroska") as container:
            stream: Any = container.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt, stream.thread_count = *pictures.shape[2:0:-1], pixels, 1
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        return out.getvalue()

    return encode


def kept(pictures: Array) -> bytes:
    """Compress like a clip in memory, with `rlhp.types.film`."""
    return filmed([deflated(picture) for picture in pictures]).data


def apart(encode: Callable[[Array], bytes]) -> Callable[[Array], bytes]:
    """Return a function that compresses every frame by itself."""
    return lambda pictures: b"".join(encode(picture) for picture in pictures)


MEANS: dict[str, Callable[[Array], bytes]] = {
    "zlib, frames apart": apart(lambda picture: deflated(picture).data),
    "PNG, frames apart": apart(png),
    "zlib, all together": lambda pictures: deflated(pictures).data,
    "as kept": kept,
    "FFV1": video("ffv1", "bgr0", {"level": "3"}),
    "x264 lossless, ultrafast": video("libx264rgb", "rgb24", {"preset": "ultrafast", "qp": "0"}),
    "VP9 lossless": video("libvpx-vp9", "gbrp", {"lossless": "1", "deadline": "realtime", "cpu-used": "8"}),
}


def codecs(id: str, repeats: int) -> list[dict[str, Any]]:
    """Measure kilobytes and milliseconds per frame, for each method."""
    pictures = clip_of(id)
    rows = []
    for name, encode in MEANS.items():
        times, size = [], 0
        for _ in range(repeats):
            begin = time.process_time()
            size = len(encode(pictures))
            times.append(time.process_time() - begin)
        height, width = pictures.shape[1:3]
        each = {"kb_per_frame": f"{size / LENGTH / 1e3:.4g}", "ms_per_frame": f"{min(times) / LENGTH * 1e3:.3g}"}
        rows.append({"env": id, "pixels": f"{width}x{height}", "means": name, **each})
    assert (Deflated(deflated(pictures).data, pictures.shape).array() == pictures).all()
    return rows


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows as CSV, and print them."""
    write_csv(path, [*rows[0]], [[*row.values()] for row in rows])
    widths = {name: max(len(str(name)), *(len(str(row[name])) for row in rows)) for name in rows[0]}
    for row in [dict(zip(rows[0], rows[0], strict=True)), *rows]:
        print("  ".join(str(row[name]).ljust(width) for name, width in widths.items()))


def main(argv: Sequence[str]) -> None:
    """Measure, write the results and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=lambda text: text.split(","), default=["CarRacing-v3", "LunarLander-v3", "Hopper-v5"])
    parser.add_argument("--n-envs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=26)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args(argv)
    headless()
    if film.draws():
        os.environ.setdefault("MUJOCO_GL", film.backend())
    write(options.out / "codecs.csv", [row for id in options.ids for row in codecs(id, options.rounds)])
    write(
        options.out / "frames.csv", [r for id in options.ids for r in compare(id, options.n_envs, options.rounds, options.steps)]
    )


if __name__ == "__main__":
    main(sys.argv[1:])
