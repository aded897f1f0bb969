"""Keyboard control of an environment: the keys that are held determine the action."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces

from rlhp.types import Array, UserError

CODE = r"(Key[A-Z]|Digit\d|Numpad\w+|Arrow(Up|Down|Left|Right)|Space|Comma|Period|Slash|Semicolon|Quote|BracketLeft|BracketRight)"


@dataclass(frozen=True, slots=True)
class Binding:
    """An action and the keys that are held together for it, by the names of `KeyboardEvent.code`."""

    keys: tuple[str, ...]  # such as ("ArrowUp", "Space"); (): no key is held
    action: Array  # [*A]
    does: str = ""  # description for the page


@dataclass(frozen=True, slots=True)
class Keyboard:
    """All bindings of a task, and how the action is chosen from those whose keys are held."""

    bindings: tuple[Binding, ...]
    choose: Callable[[Sequence[Binding], Sequence[str]], Array]

    @property
    def codes(self) -> tuple[str, ...]:
        """All bound keys, in the order of the bindings."""
        return tuple(dict.fromkeys(key for binding in self.bindings for key in binding.keys))

    def action(self, held: Sequence[str]) -> Array:
        """The action [*A] for the keys that are held, the newest last; other keys are ignored."""
        pressed = [binding for binding in self.bindings if set(binding.keys) <= set(held)]
        return self.choose(pressed, held)

    def legend(self) -> list[dict[str, str]]:
        """All bound keys with their descriptions."""
        words = {binding.keys[0]: binding.does for binding in self.bindings if len(binding.keys) == 1}
        return [{"code": code, "does": words.get(code, "")} for code in self.codes]


def keyboard(env: Any, given: Mapping[str, Any] | None) -> Keyboard:
    """The keyboard of a task, from its settings or from the optional attribute `bindings` of its environment.

    `given` maps keys, joined by + if several are held together, to `action` and `does`. Actions of a Box are added up over the
    keys that are held, and clipped to its bounds. In other spaces, the binding with the most keys counts, and of equal ones the
    one pressed last. Without keys the action is 0, or the first action. Raises UserError if there are no bindings, or if one is
    not an action of the environment.
    """
    space = env.action_space
    if given:
        bindings = tuple(_read(name, node, space) for name, node in given.items())
    else:
        bindings = tuple(getattr(env, "bindings", None) or ())
    if not bindings:
        raise UserError(
            f"env={env.task} has no keys: give keys and their actions, such as keyboard.ArrowLeft.action=0 "
            "keyboard.ArrowLeft.does=left, or add keyboard to its yaml."
        )
    for binding in bindings:
        _check(binding, space)
    return Keyboard(bindings, partial(_sum, space) if isinstance(space, spaces.Box) else partial(_newest, _idle(space)))


def _read(name: str, node: Any, space: spaces.Space) -> Binding:
    if not isinstance(node, Mapping) or "action" not in node:
        raise UserError(f"keyboard.{name} is {node!r}: set its action, and describe it in does.")
    try:
        action = np.asarray(node["action"], space.dtype)
    except (TypeError, ValueError) as error:
        raise UserError(f"keyboard.{name}.action is {node['action']!r}: give an action of {space}.") from error
    return Binding(tuple(name.split("+")), action, str(node.get("does") or ""))


def _check(binding: Binding, space: spaces.Space) -> None:
    wrong = [key for key in binding.keys if not re.fullmatch(CODE, key)]
    name = "+".join(binding.keys)
    if wrong:
        raise UserError(f"keyboard.{name} is not a key: use the names of browsers, such as ArrowLeft, Space, KeyA or Digit1.")
    if not space.contains(np.asarray(binding.action, space.dtype)):
        raise UserError(f"keyboard.{name}.action is {binding.action.tolist()}: give an action of {space}.")


def _sum(space: spaces.Box, pressed: Sequence[Binding], held: Sequence[str]) -> Array:
    total = np.sum([binding.action for binding in pressed], axis=0, initial=0.0) + np.zeros(space.shape)
    return np.clip(total, space.low, space.high).astype(space.dtype)


def _newest(idle: Array, pressed: Sequence[Binding], held: Sequence[str]) -> Array:
    def rank(binding: Binding) -> tuple[int, int]:
        return len(binding.keys), max((held.index(key) for key in binding.keys), default=-1)

    return max(pressed, key=rank).action if pressed else idle


def _idle(space: Any) -> Array:
    first = space.start if isinstance(space, spaces.Discrete | spaces.MultiDiscrete) else 0
    return np.zeros(space.shape or (), space.dtype) + np.asarray(first, space.dtype)
