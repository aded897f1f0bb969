"""Options of the page."""

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
    """Options of the page; a run's settings hold the same options under `page`."""

    host: str = "127.0.0.1"
    port: int = 8321  # or the next free one
    overlap: int = 1  # people who answer the same question
    repeats: float = 0.05  # share of pairs shown a second time, sides swapped, to measure self-consistency
    minimum_view: float = 1.0  # seconds before a question can be answered
    codec: str = "h264"  # or vp9
    size: int = 600  # pixels, width and height; some renderers only approximate it
    public: str = ""  # URL at which a proxy publishes the page, such as https://label.example.org/hopper

    @property
    def hosts(self) -> frozenset[str] | None:
        """Accepted host names; None, for any, if the page listens on more than this machine."""
        if self.host not in LOOPBACK:
            return None
        proxy = urlsplit(self.public)
        return frozenset(("[::1]", *LOOPBACK, *filter(None, (proxy.netloc, proxy.hostname))))

    @property
    def root(self) -> str:
        """The path at which the proxy mounts the page; empty if it is the proxy's root."""
        return urlsplit(self.public).path


def options_of(settings: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    """Return a run's options, overridden by the values in `given` that are not None. Raises UserError for an invalid value."""
    known = {field.name for field in fields(Options)}
    own = {key: value for key, value in (settings.get("page") or {}).items() if key in known}
    options = replace(Options(), **own | {key: value for key, value in given.items() if value is not None})
    film.check(options.codec)
    if not 0 <= options.port < 65536:
        raise UserError(f"port is {options.port}: give a number from 1 to 65535, or 0 for any free port.")
    if not 64 <= options.size <= 1024:
        raise UserError(f"size is {options.size}: give 64 to 1024 pixels.")
    if not 0 <= options.minimum_view <= 60:
        raise UserError(f"minimum_view is {options.minimum_view}: give 0 to 60 seconds.")
    if options.public and not PUBLIC.fullmatch(options.public):
        raise UserError(
            f"public is {options.public!r}: give the URL of the page at its proxy, such as https://label.example.org/hopper."
        )
    return replace(options, public=options.public.rstrip("/"))
