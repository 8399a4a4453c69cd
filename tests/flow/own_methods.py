"""Methods out of a file, for the tests of the flow: each does one thing that methods may do, or should not."""
from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchbase import BenchError, Callback, Method, Selection


@dataclass(frozen=True)
class Broken(Method):
    """Raises in select while the file `until` is not there."""

    until: str = field(default="", metadata={"identity": False})
    name = "broken"

    def select(self, net, data, budget):
        if not Path(self.until).is_file():
            raise RuntimeError("this method does not work")
        return Selection({g.name: range(budget.keep(g)) for g in net.groups})


@dataclass(frozen=True)
class Blow(Callback):
    def after_step(self, model):
        with torch.no_grad():
            next(model.parameters()).mul_(1e30)


@dataclass(frozen=True)
class Exploding(Method):
    """Its own base diverges."""

    name = "exploding"

    def training(self, budget):
        return Blow()

    def select(self, net, data, budget):
        return Selection({g.name: range(budget.keep(g)) for g in net.groups})


@dataclass(frozen=True)
class Shrink(Callback):
    """L1 on the scales of the norms."""

    weight: float = 1e-2

    def after_backward(self, model):
        for m in model.modules():
            if isinstance(m, torch.nn.BatchNorm2d):
                m.weight.grad.add_(self.weight * m.weight.detach().sign())


@dataclass(frozen=True)
class Threshold(Method):
    """Automatic: one threshold over all filters of a base of its own."""

    name = "threshold"
    target = "automatic"

    def training(self, budget):
        return Shrink()

    def select(self, net, data, budget):
        scores = {g.name: net.filters(g).detach().abs().mean(1) for g in net.groups}
        bar = torch.cat(list(scores.values())).quantile(budget.ratio)
        kept = {n: (s > bar).nonzero().flatten().tolist() for n, s in scores.items()}
        for name in [n for n, k in kept.items() if not k]:
            kept[name] = [int(scores[name].argmax())]
            net.rescued.append(name)
        return Selection(kept)


@dataclass(frozen=True)
class Magnitude(Method):
    """Masks: the smallest weights of all convolutions."""

    name = "small-weights"
    granularity = "weight"
    target = "automatic"

    def select(self, net, data, budget):
        weights = {n: p.detach().abs() for n, p in net.model.named_parameters() if p.dim() == 4}
        bar = torch.cat([w.flatten() for w in weights.values()]).quantile(budget.ratio)
        return Selection(masks={n: w > bar for n, w in weights.items()})


@dataclass(frozen=True)
class Layerwise(Magnitude):
    """Masks again, the same share of each convolution: predefined."""

    name = "layerwise"
    target = "predefined"

    def select(self, net, data, budget):
        weights = {n: p.detach().abs() for n, p in net.model.named_parameters() if p.dim() == 4}
        return Selection(masks={n: w > w.flatten().quantile(budget.ratio) for n, w in weights.items()})


@dataclass(frozen=True)
class Dim(Callback):
    """Leaves this many filters of the first convolution at zero."""

    level: int

    def finish(self, model):
        with torch.no_grad():
            next(model.parameters())[:self.level] = 0


@dataclass(frozen=True)
class Dialled(Method):
    """Searches for the training that leaves as many filters at zero as the budget wants, on a list."""

    levels: str = "0/2/24/8"
    name = "dialled"
    target = "automatic"
    trials = 4

    def training(self, budget):
        return Dim(int(self.levels.split("/")[0]))

    def search(self, budget, tried):
        assert [c.level for c, _ in tried] == [int(n) for n in self.levels.split("/")[:len(tried)]]
        assert all((report is None) == (c.level == 0) for c, report in tried)
        left = self.levels.split("/")[len(tried):]
        return Dim(int(left[0])) if left else None

    def select(self, net, data, budget):
        group = net.groups[0]
        kept = net.filters(group).abs().sum(1).nonzero().flatten().tolist()
        if len(kept) == group.width:
            raise BenchError("no filter is zero", kind="not_applicable")
        return Selection({group.name: kept})


@dataclass(frozen=True)
class Pathy(Method):
    folder: str = "/home/ada/weights"
    name = "pathy"

    def select(self, net, data, budget):
        return Selection()


@dataclass(frozen=True)
class Unkeyed(Method):
    things: object = frozenset()
    name = "unkeyed"

    def select(self, net, data, budget):
        return Selection()


@dataclass(frozen=True)
class Unsteady(Method):
    """Fails before anything is pruned."""

    name = "unsteady"

    def training(self, budget):
        raise KeyError("no such thing")

    def select(self, net, data, budget):
        return Selection()


@dataclass(frozen=True)
class Tuned(Method):
    """Trains after each group; leaves in `log` what the channels it has removed look like then."""

    epochs: int = 1
    said: bool = True
    restarts: bool = False
    log: str = field(default="", metadata={"identity": False})
    name = "tuned"

    @property
    def tunes(self):
        return self.said

    def select(self, net, data, budget):
        kept = {}
        for group in net.groups:
            kept[group.name] = tuple(range(budget.keep(group)))
            net.zero(group, kept[group.name])
            before = [p.clone() for p in net.model.parameters()]
            net.tune(self.epochs, kept)
            gone = [net.filters(g)[len(kept[g.name]):].abs().sum().item() for g in net.groups if g.name in kept]
            moved = sum(int((a != b).sum()) for a, b in zip(before, net.model.parameters(), strict=True))
            if self.log:
                with Path(self.log).open("a") as file:
                    file.write(f"{sum(gone)} {moved > 0} {net.model.training}\n")
        return Selection(kept)


@dataclass(frozen=True)
class Amnesia(Shrink):
    """Has a state, and does not take it back."""

    def state(self):
        return {"seen": [1]}

    def load(self, state):
        raise KeyError("seen")


@dataclass(frozen=True)
class Forgetful(Threshold):
    name = "forgetful"

    def training(self, budget):
        return Amnesia()


@dataclass(frozen=True)
class Crash(Method):
    """Ends its process: how="segfault" by reading what is not there, "exit" by leaving."""

    how: str = "segfault"
    name = "crash"

    def select(self, net, data, budget):
        if self.how == "exit":
            os._exit(3)
        ctypes.string_at(8)


@dataclass(frozen=True)
class Greedy(Method):
    """Takes much memory, or much time."""

    what: str = "memory"
    name = "greedy"

    def select(self, net, data, budget):
        if self.what == "memory":
            torch.ones(1 << 32)
        while self.what == "time":
            time.sleep(0.01)
        return Selection()
