"""Serialisation of plain values: numbers, text, arrays, random streams, and lists, dicts and other containers of these.

Unlike unpickling, reading them is safe: it calls no constructor named in the bytes.
"""

from __future__ import annotations

import json
import random
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from rlhp.types import Array

_DEPTH = 16  # nesting of containers, at most; one that contains itself is deeper
_LENGTH = struct.Struct("<Q")
_JSON = (type(None), bool, int, float, str)
_SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_STREAMS = {"Generator": np.random.Generator, "Random": random.Random, "RandomState": np.random.RandomState}
_BIT_GENERATORS = {kind.__name__: kind for kind in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.SFC64)} | {
    "Philox": np.random.Philox
}


def is_plain(value: Any, depth: int = _DEPTH) -> bool:
    """Return whether `pack` supports the value. Subclasses may have hidden state, so they are not plain."""
    kind = type(value)
    if kind in _JSON or kind in _STREAMS.values() or kind is bytes:
        return True
    if kind is np.ndarray or isinstance(value, np.generic):
        return value.dtype.kind in "biufcmMSU"
    if kind in (list, tuple, set, frozenset, deque):
        return depth > 0 and all(is_plain(item, depth - 1) for item in value)
    if kind is dict:
        return depth > 0 and all(is_plain(k, depth - 1) and is_plain(v, depth - 1) for k, v in value.items())
    return False


def pack(value: Any) -> bytes:
    """Serialise a plain value. Raises TypeError if it is not plain."""
    arrays: list[bytes] = []
    header = json.dumps(_encoded(value, arrays)).encode()
    return b"".join([_LENGTH.pack(len(header)), header, *arrays])


def unpack(packed: bytes) -> Any:
    """Return the value that `pack` serialised. Raises ValueError for other bytes."""
    try:
        end = _LENGTH.size + _LENGTH.unpack_from(packed)[0]
        return _decoded(json.loads(packed[_LENGTH.size : end]), memoryview(packed)[end:])
    except (struct.error, KeyError, TypeError, IndexError) as error:
        raise ValueError("these bytes are no packed value") from error


def put_back(current: Any, value: Any) -> Any:
    """Write `value` into `current` if both have the same type, so that other references see it; return the result."""
    kind = type(value)
    if kind is not type(current):
        return value
    if kind is np.ndarray and current.shape == value.shape and current.dtype == value.dtype and current.flags.writeable:
        current[...] = value
    elif kind is list:
        current[:] = value
    elif kind in (dict, set) or (kind is deque and current.maxlen == value.maxlen):
        current.clear()
        (current.extend if kind is deque else current.update)(value)
    elif kind in _STREAMS.values() and _bits(current) == _bits(value):
        _set_stream(current, _stream_state(value))
    else:
        return value
    return current


def _encoded(value: Any, arrays: list[bytes]) -> Any:
    kind = type(value)
    if kind in _JSON:
        return value
    if kind is bytes:
        return {"bytes": _array(np.frombuffer(value, np.uint8), arrays)}
    if kind is np.ndarray or isinstance(value, np.generic):
        return {"array" if kind is np.ndarray else "scalar": _array(np.asarray(value), arrays)}
    if kind in (list, tuple, set, frozenset):
        return {kind.__name__: [_encoded(item, arrays) for item in value]}
    if kind is deque:
        return {"deque": [value.maxlen, [_encoded(item, arrays) for item in value]]}
    if kind is dict:
        return {"dict": [[_encoded(k, arrays), _encoded(v, arrays)] for k, v in value.items()]}
    if kind in _STREAMS.values():
        return {"stream": [kind.__name__, _encoded(_stream_state(value), arrays)]}
    raise TypeError(f"a {kind.__name__} is not plain")


def _array(value: Array, arrays: list[bytes]) -> list[Any]:
    at = sum(map(len, arrays))
    arrays.append(value.tobytes())
    return [value.dtype.str, list(value.shape), at]


def _decoded(node: Any, content: memoryview) -> Any:
    if not isinstance(node, dict):
        return node
    [(kind, inner)] = node.items()
    if kind in ("array", "scalar", "bytes"):
        dtype, shape, at = inner
        array: Array = np.frombuffer(content, np.dtype(dtype), int(np.prod(shape)), at).reshape(shape).copy()
        return {"array": lambda: array, "scalar": lambda: array[()], "bytes": array.tobytes}[kind]()
    if kind == "deque":
        return deque((_decoded(item, content) for item in inner[1]), inner[0])
    if kind == "dict":
        return {_decoded(k, content): _decoded(v, content) for k, v in inner}
    if kind == "stream":
        return _stream(inner[0], _decoded(inner[1], content))
    return _SEQUENCES[kind]([_decoded(item, content) for item in inner])


def _stream_state(stream: Any) -> Any:
    if isinstance(stream, random.Random):
        return stream.getstate()
    return stream.bit_generator.state if isinstance(stream, np.random.Generator) else stream.get_state(legacy=False)


def _set_stream(stream: Any, state: Any) -> None:
    if isinstance(stream, random.Random):
        stream.setstate(state)
    elif isinstance(stream, np.random.Generator):
        stream.bit_generator.state = state
    else:
        stream.set_state(state)


def _bits(stream: Any) -> str:
    return type(stream.bit_generator).__name__ if isinstance(stream, np.random.Generator) else ""


def _stream(kind: str, state: Any) -> Any:
    stream = np.random.Generator(_BIT_GENERATORS[state["bit_generator"]]()) if kind == "Generator" else _STREAMS[kind]()
    _set_stream(stream, state)
    return stream
