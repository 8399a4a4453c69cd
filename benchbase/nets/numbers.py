"""Numbers of channels that a module keeps for its own code: `self.width` in `x.split(self.width, 1)`. Names are `path.attribute`, or
`path.attribute.i` for one of a list."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from benchbase.nets.groups import Group


def named(module: nn.Module, size: int) -> list[str]:
    """The attributes of a module that are `size`: one that torch does not know, since layers of torch follow their tensors."""
    if type(module).__module__.startswith("torch.nn."):
        return []
    return [name for name, value in vars(module).items() if type(value) is int and value == size]


def listed(module: nn.Module, sizes: Sequence[int]) -> list[str]:
    """The attributes of a module that are a list of exactly these sizes."""
    return [name for name, value in vars(module).items() if isinstance(value, (list, tuple)) and len(value) == len(sizes) and all(
        type(v) is int and v == s for v, s in zip(value, sizes))]


def number(model: nn.Module, name: str) -> int:
    """What it is now. Raises AttributeError for a name that is none."""
    module, attribute, place = _find(model, name)
    value = getattr(module, attribute)
    value = value if place is None else value[place]
    if type(value) is not int:
        raise AttributeError(f"{name!r} is no number")
    return value


def set_(model: nn.Module, name: str, value: int) -> None:
    """Make it `value`."""
    module, attribute, place = _find(model, name)
    if place is not None:
        old = getattr(module, attribute)
        value = type(old)(value if i == place else v for i, v in enumerate(old))
    setattr(module, attribute, value)


def left(model: nn.Module, groups: Iterable[Group], gone: dict[str, int]) -> dict[str, int]:
    """Name -> what it is without `gone` channels of each group, for those that change. gone: group -> how many."""
    lost: dict[str, int] = {}
    for group in groups:
        for use in group.numbers:
            lost[use.tensor] = lost.get(use.tensor, 0) + gone.get(group.name, 0) * use.at.shape[1]
    return {name: number(model, name) - count for name, count in lost.items() if count}


def moved(before: nn.Module, after: nn.Module, groups: Iterable[Group]) -> dict[str, int]:
    """Name -> what it is in `after`, for the numbers of these groups that are something else in `before`."""
    found = {}
    for name in {use.tensor for group in groups for use in group.numbers}:
        try:
            found[name] = number(after, name)
        except AttributeError:  # the module went with its block
            continue
    return {name: value for name, value in sorted(found.items()) if value != number(before, name)}


def _find(model: nn.Module, name: str) -> tuple[nn.Module, str, int | None]:
    path, _, leaf = name.rpartition(".")
    if leaf.isdigit():
        path, _, attribute = path.rpartition(".")
        return model.get_submodule(path), attribute, int(leaf)
    return model.get_submodule(path), leaf, None
