"""`bench explain`: the channels of a network that go together, and what pins the rest."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import columns, count, out, print_json
from benchbase.plugin.opening import opened

if TYPE_CHECKING:
    from benchbase.nets.graph import Trace
    from benchbase.nets.groups import Group, Use
    from benchbase.values.cost import Cost


@click.command("explain")
@click.option("--model", required=True, metavar="NAME", shell_complete=complete.models, help="The model: vgg16, torchvision:resnet18, timm:NAME.")
@click.option("--dataset", required=True, metavar="NAME", shell_complete=complete.datasets,
              help="The data set, for the shape of its images and its classes.")
@json_option
@traceback_option
def command(model: str, dataset: str, as_json: bool) -> None:
    """Trace a network and show its groups: channels that can only be removed together, from input to output, under the names that
    budgets and selections use.

    Of each group: how many channels it has; whether it is inner (one layer writes it and nothing is added to it, as between the
    convolutions of a residual block: what most methods prune unless told otherwise); and where its channels are: along which dimension
    of which tensors, with how many entries a channel. Producers write them, norms scale them, consumers read them. Then what is pinned,
    and by which operation or size in the model's code.

    \b
    Examples:
      bench explain --model vgg-digits --dataset digits
      bench explain --model torchvision:resnet50 --dataset cifar10 --json
    """
    from benchbase.plugin.manager import load_plugins

    plugins = load_plugins()
    found = plugins.dataset(dataset).value
    seen = explained(plugins.model(model), found.num_classes, tuple(found.shape))
    if as_json:
        print_json({"model": model, "dataset": found.name, **document(seen)})
    else:
        out(text(f"{model} on {found.name}", seen))


@dataclass(frozen=True)
class Explained:
    """A traced network. roles: of each group, in its order, (role, use) of what holds its channels."""

    trace: Trace
    cost: Cost
    roles: tuple[tuple[tuple[str, Use], ...], ...]


def explained(builder: Callable[..., Any], classes: int, shape: tuple[int, int, int]) -> Explained:
    """Build the network, trace it on a batch of noise, and tell the roles of what holds its channels."""
    import torch

    from benchbase.nets.cost import cost
    from benchbase.nets.graph import read
    from benchbase.nets.net import Net

    chance = torch.Generator().manual_seed(0)
    model = opened(builder, classes, shape)
    trace = read(model, torch.randn(2, *shape, generator=chance))
    net = Net(model, trace, chance, trace.groups)
    readers = [{id(use) for use, _ in net.consumers(group)} for group in trace.groups]
    roles = tuple(tuple(sorted(((_role(group, use, read), use) for use in group.uses), key=lambda pair: ORDER.index(pair[0])))
                  for group, read in zip(trace.groups, readers))
    return Explained(trace, cost(trace, dict(model.named_parameters())), roles)


ORDER = ("producer", "norm", "consumer")


def _role(group: Group, use: Use, readers: set[int]) -> str:
    if id(use) in readers:
        return "consumer"
    return "producer" if {use.tensor, use.tensor.rpartition(".")[0]} & set(group.producers) else "norm"


def text(title: str, seen: Explained) -> str:
    """Groups as a tree, then the pins by reason."""
    groups, pins = seen.trace.groups, seen.trace.pins
    lines = [f"{title}: {count(seen.cost.params, 'parameter')}, {count(seen.cost.macs, 'multiply-add')}; "
             f"{count(sum(g.width for g in groups), 'channel')} in {count(len(groups), 'group')} can be removed"]
    for group, roles in zip(groups, seen.roles):
        lines += ["", f"{group.name}: {count(group.width, 'channel')}{', inner' if group.inner else ''}", *columns(list(rows(roles)))]
    lines += ["", "pinned:" if pins else "nothing is pinned"]
    for why in dict.fromkeys(pin.why for pin in pins):
        lines += [f"  {why}", *columns([(p.tensor, f"dim {p.dim}", count(p.channels, "channel")) for p in pins if p.why == why], indent="    ")]
    return "\n".join(lines)


def rows(roles: Iterable[tuple[str, Use]]) -> Iterator[tuple[str, str, str, str]]:
    """(role, layer, its tensors, where in them), the tensors of a layer that hold the channels in the same way on one line."""
    merged: dict[tuple[str, str, int, int], list[str]] = {}
    for role, use in roles:
        layer, _, name = use.tensor.rpartition(".")
        merged.setdefault((role, layer, use.dim, use.at.shape[1]), []).append(name)
    last = ""
    for (role, layer, dim, entries), names in merged.items():
        yield "" if role == last else role, layer, " ".join(names), f"dim {dim}{f', {entries:,} entries a channel' if entries > 1 else ''}"
        last = role


def document(seen: Explained) -> dict[str, Any]:
    """What `bench explain --json` says of a network."""
    groups = [{"name": g.name, "width": g.width, "inner": g.inner, "producers": list(g.producers),
               "uses": [{"role": role, "tensor": use.tensor, "dim": use.dim, "entries": int(use.at.shape[1])} for role, use in roles]}
              for g, roles in zip(seen.trace.groups, seen.roles)]
    return {"params": seen.cost.params, "macs": seen.cost.macs, "groups": groups,
            "pins": [{"tensor": p.tensor, "dim": p.dim, "channels": p.channels, "why": p.why} for p in seen.trace.pins]}
