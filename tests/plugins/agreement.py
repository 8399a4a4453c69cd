"""Every registered method that removes channels or blocks on every registered network of CIFAR's size: zeroed and sliced networks agree.

    python tests/plugins/agreement.py --jobs 2                       # all of them, as a Markdown table
    python tests/plugins/agreement.py resnet56 densenet40 --method thinet

Methods and networks come from the registry, those of other installed plugins too. Weights are random, norms as after a training; a method
that takes part in training gets two steps of it. What says how much a method reads or trains is as small as it can be. A method of channels
loses half of them, in its own scope and in scope `all`; a method of blocks every second block.

agree       the full-size network without what goes, and the sliced one, differ by at most TOLERANCE of the largest logit, and by at most a
            hundredth of what it changes to cut the network like that without any refit; and the architecture with the sliced network's
            weights gives its logits again.
n/a         not_applicable, with a reason: a method of blocks where there are none, anything where there are no norms.
wrong       anything else.
"""
from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.flow.tuning import Tuner
from benchbase.nets.cut import cut_as
from benchbase.nets.foresee import foresee
from benchbase.nets.graph import Trace, read
from benchbase.nets.net import Net, private_copy
from benchbase.nets.prune import Pruned, prune_network
from benchbase.nets.rebuild import shell
from benchbase.nets.shortcut import blocks_of
from benchbase.plugin.manager import Plugins, load_plugins
from benchbase.training.data import load
from benchbase.training.loop import train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget
from benchbase.values.recipe import Recipe
from benchbase_plugins.datasets.synthetic import Synthetic

TOLERANCE, SHAPE = 1e-5, (3, 32, 32)
SMALL = {"images": 8, "positions": 32, "batches": 1, "steps": 2, "epochs": 1}  # fields of methods that say how much they read or train
NOISE = Synthetic(num_classes=10, size=32, channels=3, train=8, test=2)
RECIPE = Recipe(epochs=1, batch_size=4, lr=1e-3, milestones=())


@dataclass(frozen=True)
class Row:
    """What came of one method on one network. verdict: agree, n/a or wrong.  difference: in units of the largest logit.  seconds: of a core."""

    network: str
    method: str
    scope: str
    verdict: str
    difference: float = 0.0
    seconds: float = 0.0
    why: str = ""


def structured(plugins: Plugins) -> dict[str, Any]:
    """The methods of channels and of blocks, by name, each as small as its fields allow."""
    made = {offer.name: plugins.method(offer.name).value for offer in plugins.offers("methods") if offer.value.granularity != "weight"}
    return {name: replace(m, **{f.name: SMALL[f.name] for f in fields(m) if f.name in SMALL}) for name, m in made.items()}


def networks(plugins: Plugins) -> dict[str, list[str]]:
    """The networks that are not for digits, by family: the plugin that offers them."""
    families: dict[str, list[str]] = {}
    for offer in plugins.offers("models"):
        if not offer.name.endswith("digits"):
            families.setdefault(offer.plugin, []).append(offer.name)
    return families


def shallowest(plugins: Plugins, names: Iterable[str]) -> str:
    """The network of fewest modules."""
    with torch.device("meta"):
        return min(names, key=lambda name: len([*plugins.model(name)(10).modules()]))


def has_norms(model: nn.Module) -> bool:
    """Whether it has batch norms."""
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())


def seasoned(model: nn.Module) -> nn.Module:
    """The network with norms as after a training: scales of all sizes, shifts and statistics."""
    for norm in (m for m in model.eval().modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
        nn.init.uniform_(norm.weight, 0.1, 1)
        nn.init.normal_(norm.bias, 0, 0.2)
        nn.init.normal_(norm.running_mean, 0, 0.2)
    return model


def judge(network: str, only: Sequence[str] = ()) -> list[Row]:
    """All methods, or those named, on one network, which is read once."""
    plugins = load_plugins()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = seasoned(plugins.model(network)(10))
        images = torch.randn(4, *SHAPE)
    data = load(NOISE, Path())
    bench = Bench(network, model, read(model, images[:2]), images, data, plugins)
    methods = {name: method for name, method in structured(plugins).items() if not only or name in only}
    return [bench.row(name, method, scope) for name, method in methods.items() for scope in bench.scopes(method)]


@dataclass(frozen=True)
class Bench:
    """One network, what it is pruned with and what is asked of it."""

    network: str
    model: nn.Module
    trace: Trace
    images: torch.Tensor
    data: Any
    plugins: Plugins

    def scopes(self, method: Any) -> Iterator[str]:
        """The method's own scope, and all where that is another."""
        yield ""
        inner = [g.inner for g in self.trace.groups]
        if method.granularity == "channel" and method.scope == "inner" and any(inner) and not all(inner):
            yield "all"

    def row(self, name: str, method: Any, scope: str) -> Row:
        """One method in one scope; whatever it raises is a finding."""
        start = time.process_time()
        make = partial(Row, self.network, name, scope)
        try:
            pruned = self.prune(method, self.budget(method, scope))
            why, difference = self.faults(pruned)
        except BenchError as error:
            expected = method.granularity == "block" and not blocks_of(self.model) or not has_norms(self.model)
            reasoned = error.kind == "not_applicable" and error.what and error.todo
            return make("n/a" if expected and reasoned else "wrong", why=f"{error.kind}: {error.what}")
        except Exception as error:  # noqa: BLE001 -- whatever it stops with is the finding
            return make("wrong", why=f"{type(error).__name__}: {error}"[:200])
        return make("wrong" if why else "agree", difference, time.process_time() - start, why)

    def budget(self, method: Any, scope: str) -> Budget:
        """Half of the channels; every second block by name, so that it is no training's luck which go."""
        names = tuple(block.path for block in blocks_of(self.model))[1::2] if method.granularity == "block" else ()
        return Budget(dropped=names) if names else Budget(ratio=0.5, scope=scope)

    def prune(self, method: Any, budget: Budget) -> Pruned:
        """Through what a run does: the budget foreseen, the method's part in training, the choice, the cut."""
        base, seeds = private_copy(self.model), Seeds(0, self.data.fingerprint)
        resolved = foresee(base, method, budget, self.trace).budget
        callback = method.training(resolved)
        if callback is not None:
            net = Net(base, self.trace, torch.Generator().manual_seed(0), self.trace.groups, steps=self.data.steps(RECIPE.batch_size))
            train_(base, RECIPE, self.data, seeds, Machine(), callback=callback, net=net)
        tuner = Tuner(RECIPE, self.data, 0, self.data.fingerprint, Machine()) if method.tunes else None
        batches = self.data.calibration(8, seed=0)  # not the images that are compared: what is fitted to so few computes the same on them
        dense = Architecture(self.network, 10, SHAPE)
        return prune_network(base, method, budget, batches, self.images, architecture=dense, tuner=tuner, trace=self.trace)

    def faults(self, pruned: Pruned) -> tuple[str, float]:
        """What is wrong with a pruned network, and how far it is from the zeroed one."""
        again = shell(pruned.architecture, open_model=lambda a: self.plugins.model(a.model)(a.num_classes, in_channels=a.shape[0])).eval()
        again.load_state_dict(pruned.model.state_dict())
        plain = cut_as(pruned.selection, self.model, self.trace, self.images)
        with torch.no_grad():
            dense, bare, small, same = (net(self.images) for net in (self.model, plain, pruned.model, again))
        difference, felt = pruned.report["equivalence"] / float(small.abs().max()), float((dense - bare).abs().max() / dense.abs().max())
        why = "" if difference <= min(TOLERANCE, felt / 100) else f"zeroed and sliced differ by {difference:.1e}, what went is felt by {felt:.1e}"
        why = why or ("" if torch.equal(small, same) else "its architecture gives another network")
        return why or ("" if pruned.report["macs"]["pruned"] < pruned.report["macs"]["dense"] else "no multiply-add is saved"), difference


def table(rows: Sequence[Row]) -> str:
    """The largest difference of each method on each network, as Markdown, and what is wrong."""
    methods = list(dict.fromkeys(r.method for r in rows))
    names = dict.fromkeys(r.network for r in rows)
    return "\n".join([head(methods), *(line([r for r in rows if r.network == name], methods) for name in names), *wrong(rows)])


def head(methods: Sequence[str]) -> str:
    """The first lines of the table."""
    return f"| network | {' | '.join(methods)} | seconds |\n" + "|---" * (len(methods) + 2) + "|"


def line(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """One network's line."""
    cells = [_cell([r for r in rows if r.method == method]) for method in methods]
    return f"| {rows[0].network} | {' | '.join(cells)} | {sum(r.seconds for r in rows):.0f} |"


def wrong(rows: Sequence[Row]) -> list[str]:
    """What is wrong, a line each."""
    return ["", *(f"wrong: {r.method} on {r.network}{r.scope and f', scope {r.scope}'}: {r.why}" for r in rows if r.verdict == "wrong")]


def _cell(rows: Sequence[Row]) -> str:
    verdict = next((v for v in ("wrong", "agree", "n/a") if any(r.verdict == v for r in rows)), "")
    return f"{max(r.difference for r in rows):.0e}" if verdict == "agree" else verdict


def _alone(network: str, only: Sequence[str]) -> list[Row]:
    torch.set_num_threads(1)
    return judge(network, only)


def main() -> int:
    """Judge the networks named, or all; exit code 1 if any row is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", help="default: all that are registered, but for those for digits")
    parser.add_argument("--method", action="append", default=[], help="default: all that are registered and no masks")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    plugins, rows = load_plugins(), []
    names = args.networks or [name for family in networks(plugins).values() for name in family]
    methods = [name for name in structured(plugins) if not args.method or name in args.method]
    print(head(methods))
    with multiprocessing.get_context("spawn").Pool(args.jobs, maxtasksperchild=1) as pool:
        for found in pool.imap(partial(_alone, only=tuple(args.method)), names, chunksize=1):
            rows += found
            print(line(found, methods), flush=True)
    print(*wrong(rows), sep="\n")
    return int(any(row.verdict == "wrong" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
