"""Film the most informative clips for a report on r-hat."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from rlhp import film
from rlhp.inspect.truth import Rewards
from rlhp.types import Array, Segment, UserError

EACH = 2  # clips per category
KINDS = {"h264": "video/mp4", "vp9": "video/webm"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A clip with the members' rewards."""

    title: str
    members: Array  # [M, L]
    true: Array | None  # [L]
    mean: float  # r-hat per step
    apart: float  # standard deviation of the members' means, in units of r-hat's spread
    video: str = ""  # a data: URL; empty if the clip cannot be rendered
    fps: float = 0.0


def choose(rewards: Rewards) -> list[tuple[str, int]]:
    """Choose clips, as (category, row): the best, the worst, the most disputed, and those most unlike the true reward."""
    predicted, members = rewards.predicted.mean(axis=1), rewards.members.mean(axis=2)
    orders = {"best": -predicted, "worst": predicted}
    if len(members) > 1:
        orders["most disputed"] = -members.std(axis=0)
    if not rewards.missing and np.std(predicted) > 0 and np.std(rewards.true.mean(axis=1)) > 0:
        orders["most unlike the true reward"] = -np.abs(_standard(predicted) - _standard(rewards.true.mean(axis=1)))
    chosen, taken = [], set[int]()
    for title, key in orders.items():
        rows = [row for row in np.argsort(key, kind="stable").tolist() if row not in taken][:EACH]
        chosen += [(title, row) for row in rows]
        taken |= {*rows}
    return chosen


def _standard(x: Array) -> Array:
    return (x - x.mean()) / x.std()


def render(
    settings: Mapping[str, Any], clips: Sequence[Segment], rewards: Rewards, size: int, codec: str
) -> tuple[list[Shown], str]:
    """Return the chosen clips with videos, and the reason if there are none; clips without videos still have curves."""
    chosen = choose(rewards) if clips else []
    shown = [_shown(title, row, rewards) for title, row in chosen]
    if not chosen:
        return [], "the run has no stored clips"
    try:
        film.check(codec)
        return _filmed(shown, [clips[row] for _, row in chosen], film.drawing(settings), size, codec), ""
    except UserError as error:
        return shown, str(error)
    except Exception:  # Gymnasium's renderer fails in many ways if OpenGL does not work
        if sentence := film.refused():
            return shown, sentence
        raise


def _shown(title: str, row: int, rewards: Rewards) -> Shown:
    members, true = rewards.members[:, row], None if rewards.missing else rewards.true[row]
    return Shown(title, members, true, float(members.mean()), float(members.mean(axis=1).std()))


def _filmed(shown: Sequence[Shown], clips: Sequence[Segment], drawing: Any, size: int, codec: str) -> list[Shown]:
    filmed = []
    with drawing.clip_renderer(size) as render_clip, TemporaryDirectory() as folder:
        for each, clip in zip(shown, clips, strict=True):
            file = film.write(render_clip(clip), Path(folder) / f"clip.{film.CODECS[codec][1]}", drawing.fps, codec)
            video = f"data:{KINDS[codec]};base64,{b64encode(file.read_bytes()).decode()}"
            filmed.append(Shown(each.title, each.members, each.true, each.mean, each.apart, video, float(drawing.fps)))
    return filmed
