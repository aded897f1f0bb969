"""Keys to the page of a run: its token is the owner's, and each annotator has a key made from it."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from rlhp.types import UserError

NAME = r"\w[\w.-]{0,39}"  # of an annotator
NAMES = "up to 40 letters, digits, dots and dashes, without spaces"
BYTES = 18  # of the code in a key: 144 bits, which base64 writes without padding
BETWEEN = "~"  # the name and the code: it is no part of either


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who asks: the owner of the run, or one annotator; `key` is what they showed."""

    key: str
    annotator: str | None = None  # None: the owner, who may do everything, under any name

    @property
    def owns(self) -> bool:
        """Whether this is the owner."""
        return self.annotator is None


def key_of(token: str, annotator: str) -> str:
    """The key that opens a page for one annotator alone: their name, and its HMAC-SHA-256 under the owner's token.

    It is ASCII, so that it fits into a header. Whoever has it cannot compute another annotator's.
    """
    code = hmac.digest(token.encode(), annotator.encode(), "sha256")[:BYTES]
    return f"{quote(annotator, safe='')}{BETWEEN}{urlsafe_b64encode(code).decode()}"


def bearer(token: str, offered: Iterable[str]) -> Bearer | None:
    """Who offers these keys, the first that fits; None if none does."""
    return next((found for key in offered if (found := _bearer(token, key)) is not None), None)


def _bearer(token: str, key: str) -> Bearer | None:
    if _same(key, token):
        return Bearer(key)
    name, between, _ = key.partition(BETWEEN)
    annotator = unquote(name)
    return Bearer(key, annotator) if between and annotator and _same(key, key_of(token, annotator)) else None


def annotators_of(settings: Mapping[str, Any], more: Sequence[str] = ()) -> list[str]:
    """The names for which a run's `page.annotators` asks for links, and `more`. Raises UserError for what is no name."""
    given = (settings.get("page") or {}).get("annotators") or ()
    listed = [given] if isinstance(given, str) else given
    names = dict.fromkeys(map(str, (*listed, *more)))
    if wrong := [name for name in names if not re.fullmatch(NAME, name)]:
        raise UserError(f"{wrong[0]!r} is no name for an annotator: {NAMES}.")
    return [*names]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
