"""Access keys of a run's page: its token is the owner's, and each annotator's key is derived from it."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from rlhp.types import UserError

NAME = r"\w[\w.-]{0,39}"  # pattern of an annotator's name
NAMES = "up to 40 letters, digits, dots and dashes, without spaces"
BYTES = 18  # length of the code in a key: 144 bits, which base64 encodes without padding
BETWEEN = "~"  # separates name and code, which do not contain it


@dataclass(frozen=True, slots=True)
class Bearer:
    """The sender of a request: the owner of the run, or one annotator."""

    annotator: str | None = None  # None: the owner, who may do everything under any name

    @property
    def owns(self) -> bool:
        """Whether the bearer is the owner."""
        return self.annotator is None


def key_of(token: str, annotator: str) -> str:
    """The key that opens a page for one annotator only: their name, and its HMAC-SHA-256 under the owner's token.

    It is ASCII, so that it fits into a header. Its holder cannot compute the key of another annotator.
    """
    code = hmac.digest(token.encode(), annotator.encode(), "sha256")[:BYTES]
    return f"{quote(annotator, safe='')}{BETWEEN}{urlsafe_b64encode(code).decode()}"


def bearer(token: str, offered: Iterable[str]) -> Bearer | None:
    """The bearer of the first valid key; None if no key is valid."""
    return next((found for key in offered if (found := _bearer(token, key)) is not None), None)


def _bearer(token: str, key: str) -> Bearer | None:
    if _same(key, token):
        return Bearer()
    name, between, _ = key.partition(BETWEEN)
    annotator = unquote(name)
    return Bearer(annotator) if between and annotator and _same(key, key_of(token, annotator)) else None


def annotators_of(settings: Mapping[str, Any], more: Sequence[str] = ()) -> list[str]:
    """The annotators of a run's `page.annotators`, and `more`. Raises UserError for an invalid name."""
    given = (settings.get("page") or {}).get("annotators") or ()
    listed = [given] if isinstance(given, str) else given
    names = dict.fromkeys(map(str, (*listed, *more)))
    if wrong := [name for name in names if not re.fullmatch(NAME, name)]:
        raise UserError(f"{wrong[0]!r} is not a valid annotator name: use {NAMES}.")
    return [*names]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
