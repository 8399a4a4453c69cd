"""Names with parameters, "thinet[images=64]", and the typed fields that they set."""
from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from benchbase.errors import BenchError, unknown


def parse_name(text: str) -> tuple[str, dict[str, str]]:
    """The name and the parameters in a text; brackets may be left out, a comma inside a value stays in it.

    >>> parse_name("thinet[images=64,refit=false]")
    ('thinet', {'images': '64', 'refit': 'false'})
    >>> parse_name("mine[layers=1,2,images=3]")
    ('mine', {'layers': '1,2', 'images': '3'})
    """
    text = text.strip()
    head, bracket, inner = text[:-1].rpartition("[") if text.endswith("]") else (text, "", "")
    if not bracket:
        if "[" in text or text.endswith("]"):
            raise BenchError(f"{text!r} has a bracket too many or too few", "write NAME[parameter=value,parameter=value]")
        return text, {}
    params: dict[str, str] = {}
    for part in re.split(r",(?=\s*[A-Za-z_][\w-]*\s*=)", inner) if inner.strip() else []:
        key, equals, value = (p.strip() for p in part.partition("="))
        if not equals or not key:
            raise BenchError(f"{text!r}: {part.strip()!r} is no parameter=value", "write NAME[parameter=value,parameter=value]")
        if key in params:
            raise BenchError(f"{text!r}: {key} is given twice", "give each parameter once")
        params[key] = value
    return head.strip(), params


def params_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass (instance or class) that are part of what it is, by name; of a class, their defaults.

    A field with the metadata `identity` False (a path, say) is left out; so is a field without a default, of a class.
    """
    if not is_dataclass(value):
        return {}
    counted = [f for f in fields(value) if f.init and f.metadata.get("identity", True)]
    if isinstance(value, type):
        return {f.name: _default(f) for f in counted if _default(f) is not MISSING}
    return {f.name: getattr(value, f.name) for f in counted}


def with_params(cls: type, params: Mapping[str, str]) -> Any:
    """An instance of `cls` with fields set from texts, each read as the type of its field.

    Raises BenchError for a parameter that `cls` does not have, a value of another type, one that is missing, and whatever the
    constructor refuses.
    """
    name = getattr(cls, "name", "") or cls.__name__
    own = {f.name: f for f in fields(cls) if f.init} if is_dataclass(cls) else {}
    for key in params:
        if not own:
            raise BenchError(f"{name} has no parameters, and got {key!r}", f"write {name}")
        if key not in own:
            raise unknown(f"parameter of {name}", key, own)
    missing = [f.name for f in own.values() if _default(f) is MISSING and f.name not in params]
    if missing:
        raise BenchError(f"{name} needs {missing[0]}", f"write {name}[{','.join(f'{m}=...' for m in missing)}]")
    given = {key: _read(f"{name}[{key}={text}]", text, _kind(cls, own[key])) for key, text in params.items()}
    try:
        return cls(**given)
    except BenchError:
        raise
    except Exception as error:
        said = ",".join(f"{k}={v}" for k, v in params.items())
        what = f"{name}[{said}] cannot be made: {type(error).__name__}: {error}".splitlines()[0]
        raise BenchError(what, f"`bench show {name}` lists its parameters") from error


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _kind(cls: type, field: Field[Any]) -> Any:
    """The type of a field; that of its default where the annotation names what only a type checker imports."""
    owner = next(c for c in reversed(cls.__mro__) if vars(c).get("__dataclass_fields__", {}).get(field.name) is field)
    try:
        alone = type(cls.__name__, (), {"__annotations__": {field.name: field.type}, "__module__": owner.__module__})
        return typing.get_type_hints(alone)[field.name]
    except Exception:  # noqa: BLE001 -- whatever an annotation's text may raise
        default = _default(field)
        return str if default in (MISSING, None) else type(default)


def _read(what: str, text: str, kind: Any) -> Any:
    """`text` as `kind`: bool, int, float, str, a Literal of those, a tuple of them, or one of them or None."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if type(None) in inside and text.lower() == "none":
            return None
        return _first(what, text, [k for k in inside if k is not type(None)])
    if origin is typing.Literal:
        by_text = {str(value): value for value in inside}
        if text not in by_text:
            raise unknown(f"value in {what}:", text, by_text)
        return by_text[text]
    if kind is tuple or origin is tuple:
        each = inside[0] if inside else str
        return tuple(_read(what, part.strip(), each) for part in text.split(",") if part.strip())
    read, noun = READERS.get(kind, (None, ""))
    if read is None:
        raise BenchError(f"{what}: this parameter cannot be given as text", "leave it out, or set it in Python")
    try:
        return read(text)
    except (ValueError, KeyError):
        raise BenchError(f"{what}: {text!r} is not {noun}", f"give {noun}") from None


def _first(what: str, text: str, kinds: list[Any]) -> Any:
    """`text` as the first of `kinds` that it can be read as."""
    for kind in kinds[:-1]:
        try:
            return _read(what, text, kind)
        except BenchError:
            continue
    return _read(what, text, kinds[-1])


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    bool: (_boolean, "true or false"), int: (int, "a whole number"), float: (_finite, "a finite number"), str: (str, "a text")}
