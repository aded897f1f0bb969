"""Games between policies: a teacher compares one clip of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations
from math import comb

import numpy as np
import yaml

from rlhp.teacher import Noisy, Oracle
from rlhp.types import Answer, Array, Query, Segment, Teacher, UserError, make_rng


@dataclass(frozen=True, slots=True)
class Player:
    """A policy, represented by clips of its behaviour."""

    name: str
    clips: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of n policies."""

    names: tuple[str, ...]
    points: Array  # [n, n]: row against column; a win is 1, a draw 1/2; a ranking of K clips counts as one game in total
    answers: int  # number of answers that compare clips of different policies


def score(names: Sequence[str], answers: Sequence[tuple[Sequence[int], Answer]]) -> Scores:
    """Score answers. Each comes with the policies of the clips it ranks, as indices of `names`.

    Comparisons between clips of the same policy do not count.
    """
    points, between = np.zeros((len(names), len(names))), 0
    for policies, answer in answers:
        meeting = [(policies[i], policies[j], mu) for i, j, mu in answer.pairs() if policies[i] != policies[j]]
        between += bool(meeting)
        for one, other, mu in meeting:
            points[one, other] += mu / comb(len(policies), 2)
            points[other, one] += (1 - mu) / comb(len(policies), 2)
    return Scores(tuple(names), points, between)


def teacher_of(name: str, seed: int) -> Teacher:
    """Create the teacher `oracle`, or `noisy` with the settings of conf/teacher/noisy.yaml."""
    if name == "oracle":
        return Oracle()
    settings = yaml.safe_load((files("rlhp.conf") / "teacher" / f"{name}.yaml").read_text("utf-8"))
    return Noisy(**{key: value for key, value in settings.items() if key != "_target_"} | {"seed": seed})


def play(players: Sequence[Player], teacher: Teacher, games: int, seed: int) -> Scores:
    """Let each pair of policies play `games` games, or as many as there are clips for.

    Each clip is used in at most one game, so games are independent. Raises UserError if there are too few clips.
    """
    fewest = min(players, key=lambda player: len(player.clips))
    each = min(games, len(fewest.clips) // (len(players) - 1))
    if each < 1:
        raise UserError(
            f"{fewest.name} has {len(fewest.clips)} clips, too few to play {len(players) - 1} others once each; lower --groups."
        )
    rng = make_rng(seed, "games")
    decks = [iter(rng.permutation(len(player.clips)).tolist()) for player in players]
    meetings = [pair for pair in combinations(range(len(players)), 2) for _ in range(each)]
    questions = [Query(id, tuple(players[i].clips[next(decks[i])] for i in pair), 0) for id, pair in enumerate(meetings)]
    given = teacher(questions, 0)
    return score([player.name for player in players], [(meetings[id], answer) for id, answer in _single(given)])


def _single(given: Mapping[int, Answer | Sequence[Answer]]) -> list[tuple[int, Answer]]:
    return [(id, each) for id, some in given.items() for each in ([some] if isinstance(some, Answer) else some)]
