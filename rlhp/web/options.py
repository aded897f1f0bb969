"""How a page is served."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlsplit

from rlhp import film
from rlhp.types import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PUBLIC = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w.~/-]*)?")


@dataclass(frozen=True, slots=True)
class Options:
    """How a page is served; a run's settings hold the same under `page`."""

    host: str = "127.0.0.1"
    port: int = 8321  # or the next that is free
    overlap: int = 1  # people who answer the same question
    repeats: float = 0.05  # share of pairs that are shown once more, sides swapped, for self-consistency
    minimum_view: float = 1.0  # seconds before a pair can be answered
    codec: str = "h264"  # or vp9
    size: int = 600  # pixels, both ways; a drawing may only come near it
    public: str = ""  # the address at which a proxy makes the page known to others, such as https://label.example.org/hopper

    @property
    def hosts(self) -> frozenset[str] | None:
        """The hosts that requests may name; None: any, where the page listens to more than this machine."""
        if self.host not in LOOPBACK:
            return None
        there = urlsplit(self.public)
        return frozenset(("[::1]", *LOOPBACK, *filter(None, (there.netloc, there.hostname))))

    @property
    def root(self) -> str:
        """The path below which the proxy has the page; empty: it is the proxy's own."""
        return urlsplit(self.public).path


def options_of(settings: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    """A run's own options, and what is given instead (None: not). Raises UserError for what makes no sense."""
    known = {field.name for field in fields(Options)}
    own = {key: value for key, value in (settings.get("page") or {}).items() if key in known}
    options = replace(Options(), **own | {key: value for key, value in given.items() if value is not None})
    film.check(options.codec)
    if not 0 <= options.port < 65536:
        raise UserError(f"port is {options.port}: give a number from 1 to 65535, or 0 for any that is free.")
    if not 64 <= options.size <= 1024:
        raise UserError(f"size is {options.size}: give 64 to 1024 pixels.")
    if not 0 <= options.minimum_view <= 60:
        raise UserError(f"minimum_view is {options.minimum_view}: give 0 to 60 seconds.")
    if options.public and not PUBLIC.fullmatch(options.public):
        raise UserError(
            f"public is {options.public!r}: give the address of the page at its proxy, as https://label.example.org/hopper."
        )
    return replace(options, public=options.public.rstrip("/"))
