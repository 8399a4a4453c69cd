"""Methods whose callback has one fault each."""
from dataclasses import dataclass, field
from typing import Any

from benchbase import Callback, Method, Selection, hookimpl


class Loose(Callback):
    """Its strength is in no key."""

    def __init__(self, strength):
        self.strength = strength


@dataclass(frozen=True)
class Hooked(Callback):
    """Leaves a hook on the first layer."""

    def start(self, net):
        net.model.features.register_forward_hook(lambda module, inputs, output: None)


@dataclass(frozen=True)
class Forgetful(Callback):
    """Decays weights by how many steps it has seen, and does not say so to a checkpoint."""

    _seen: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def after_step(self, model):
        self._seen.append(1)
        model.fc.weight.data.mul_(1 - 0.001 * len(self._seen))


@dataclass(frozen=True)
class Unplain(Callback):
    """Its state is no checkpoint's."""

    def state(self):
        return {"seen": {1, 2}}


class Trains(Method):
    """Keeps the first channels after a training of its own."""

    paper = "unpublished"
    callback: Any = None

    def training(self, budget):
        return type(self).make()

    def select(self, net, data, budget):
        return Selection({g.name: tuple(range(budget.keep(g))) for g in net.groups})


def trains(called, make_callback):
    """A method with that callback."""
    return type(called, (Trains,), {"name": called, "make": staticmethod(make_callback), "__doc__": Trains.__doc__, "__module__": __name__})


loose, hooked = trains("loose", lambda: Loose(1)), trains("hooked", Hooked)
forgetful, unplain = trains("forgetful", Forgetful), trains("unplain", Unplain)


@hookimpl
def bench_methods():
    return [loose, hooked, forgetful, unplain]
