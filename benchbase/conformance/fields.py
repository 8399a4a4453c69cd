"""Checks of the parameters that methods and data sets share: typed, settable as text, part of what the thing is."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from benchbase.errors import BenchError
from benchbase.plugin.names import params_of, with_params
from benchbase.plugin.offers import first_sentence
from benchbase.values.digest import digest

NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
Pairs = Iterator[tuple[str, str]]


def named(offer: Any) -> Pairs:
    """The name is in small letters, so that nobody has to remember how it was written."""
    if not NAME.fullmatch(offer.name):
        yield f"the name {offer.name!r} is not of small letters, digits and dashes", f"call it {re.sub('[^a-z0-9.]+', '-', offer.name.lower()).strip('-')!r}"


def documented(offer: Any) -> Pairs:
    """A docstring that says what it is, and names every parameter."""
    own = offer.value if hasattr(offer.value, "__name__") else type(offer.value)
    if not first_sentence(offer.value):
        yield "it has no docstring", "say in one sentence what it does: `bench list` and `bench show` print it"
        return
    missing = [f.name for f in _own(own) if not re.search(rf"\b{re.escape(f.name)}\b", own.__doc__ or "")]
    if missing:
        yield f"its docstring does not say what {', '.join(missing)} is", f"add a line '{missing[0]}: ...' to the docstring, `bench show` prints it"


def parameters(cls: type, identity: bool = True) -> Pairs:
    """Each parameter reads back from its text, and settings that differ have keys that differ.

    identity: whether all of them are part of what it is.
    """
    name = getattr(cls, "name", cls.__name__)
    for f in _own(cls):
        default = f.default if f.default_factory is MISSING else f.default_factory()
        if identity and not f.metadata.get("identity", True):
            yield f"{f.name} is no part of its identity, so that two settings of it share one result", "leave out metadata={'identity': False}"
        if default is MISSING:
            yield f"{f.name} has no default, so that plain {name!r} cannot be run", "give it the value that the paper uses"
            continue
        try:
            back = getattr(with_params(cls, {f.name: as_text(default)}), f.name)
        except BenchError as error:
            yield f"{f.name} cannot be set as text: {error.what}", "annotate it with bool, int, float, str, a Literal or a tuple of those"
            continue
        if back != default or type(back) is not type(default):
            yield f"{f.name} = {default!r} reads back as {back!r}", f"annotate it with the type of its default, {type(default).__name__}"
    try:
        digest(params_of(cls))
    except (TypeError, ValueError) as error:
        yield f"its parameters have no canonical form: {error}", "use numbers, texts, booleans and tuples of them"


def as_text(value: Any) -> str:
    """A value as the brackets of a name take it.

    >>> as_text((1, 2)), as_text(True), as_text(None), as_text(0.1)
    ('1,2', 'true', 'none', '0.1')
    """
    if isinstance(value, (list, tuple)):
        return ",".join(map(as_text, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _own(cls: Any) -> list[Any]:
    return [f for f in fields(cls) if f.init] if is_dataclass(cls) else []
