"""Licences, by the identifiers that model cards on the Hugging Face hub use."""

from __future__ import annotations

from difflib import get_close_matches

from rlhp.types import UserError

# https://huggingface.co/docs/hub/repositories-licenses, without those of single language models
LICENCES = (
    *("mit", "apache-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc", "zlib", "ncsa"),
    *("postgresql", "unlicense", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "agpl-3.0"),
    *("gfdl", "mpl-2.0", "epl-1.0", "epl-2.0", "afl-3.0", "artistic-2.0", "bsl-1.0", "ecl-2.0", "etalab-2.0", "eupl-1.1"),
    *("eupl-1.2", "lppl-1.3c", "ms-pl", "osl-3.0", "wtfpl", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0"),
    *("cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0"),
    *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "c-uda"),
    *("cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "intel-research", "odbl", "odc-by", "ofl-1.1"),
    *("pddl", "openrail", "openrail++", "bigcode-openrail-m", "bigscience-openrail-m", "bigscience-bloom-rail-1.0"),
    *("creativeml-openrail-m", "unknown", "other"),
)


def check_licence(name: str) -> None:
    """Raise UserError, with the nearest names, for a licence that the hub does not know."""
    if name not in LICENCES:
        near = ", ".join(get_close_matches(name.lower(), LICENCES) or ("mit", "apache-2.0", "cc-by-4.0"))
        raise UserError(f"the hub knows no licence {name!r}; give one such as {near}, or other (its documentation lists all).")
