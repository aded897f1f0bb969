"""Figure of the masks: each game as the console draws it, as people see it, and as the agent sees it.

python experiments/atari/masks.py       # masks.png: from left to right without masks, a person's clip, the agent's frame
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from rlhp.atari import GAMES, Game, colour_frames
from rlhp.atari.emulator import Emulator

STEPS = 260  # of a random policy; by then a score is on the screen
GAP = 8  # pixels between images


def row(game: Game) -> np.ndarray:
    """Put the three images side by side, [210, W, 3] uint8."""
    emulator, rng, frame = Emulator(game), np.random.default_rng(1), np.zeros((84, 84), np.uint8)
    emulator.begin(10)
    for _ in range(STEPS):
        state, action = emulator.save(), rng.integers(len(emulator.moves))
        emulator.step(action)
        if emulator.over:
            emulator.begin(10)
            emulator.step(0)
    emulator.load(state)
    emulator.step(action)
    emulator.draw(frame)
    bare = emulator.ale.getScreenRGB()
    seen = next(colour_frames(game, state, np.array([action])))
    large = np.repeat(np.repeat(frame, 2, axis=0), 2, axis=1)
    canvas = np.full((210, 2 * (160 + GAP) + 168, 3), 255, np.uint8)
    canvas[:, :160], canvas[:, 160 + GAP : 320 + GAP] = bare, seen
    canvas[21:189, 320 + 2 * GAP :] = large[..., None]
    return canvas


def sheet(games: list[Game]) -> np.ndarray:
    """Arrange two games per row."""
    rows = [row(game) for game in games]
    rows += [np.full_like(rows[0], 255)] * (len(rows) % 2)
    wide = [
        np.concatenate([one, np.full((210, 3 * GAP, 3), 255, np.uint8), two], axis=1)
        for one, two in zip(rows[::2], rows[1::2], strict=True)
    ]
    return np.concatenate([np.pad(line, ((0, GAP), (0, 0), (0, 0)), constant_values=255) for line in wide])


def main() -> None:
    picture = sheet([game for game in GAMES.values() if game.criterion is None])
    path = Path(__file__).with_name("masks.png")
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.shape[1], picture.shape[0], "rgb24"
    encoder.time_base = 1
    packets = encoder.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")) + encoder.encode(None)
    path.write_bytes(b"".join(bytes(packet) for packet in packets))


if __name__ == "__main__":
    main()
