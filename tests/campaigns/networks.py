"""Random networks, random choices: the network with the lost channels zeroed computes what the sliced one does.

A network is grown from a list of steps: convolutions (grouped, depthwise), norms, activations, additions of earlier streams, concatenations, splits,
gates, shuffles, pooling; then pooled or not, flattened, linear layers. Any numbers make a network, so that a failure shrinks to its fewest steps.

    python tests/campaigns/networks.py --networks 10000 --result tests/data/networks.json
"""
from __future__ import annotations

import argparse
import copy
import json
import platform
import random
import sys
import time
import traceback
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from benchbase.errors import BenchError
from benchbase.nets.graph import read
from benchbase.nets.prune import architecture_after, named
from benchbase.nets.rebuild import shell
from benchbase.nets.surgery import slice_, zero_
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.selection import Selection

TOLERANCE, SIZE, MAX_WIDTH = 1e-9, 6, 24  # in double precision, of the largest output
OPS = ("conv", "conv", "norm", "relu", "group", "depthwise", "residual", "add", "concat", "concat3", "split", "gate", "shuffle", "pool", "scale")
STEP = st.tuples(st.sampled_from(OPS), st.integers(0, 2**16), st.integers(0, 2**16))
# steps, how the head is made, which channels go
NETWORK = st.tuples(st.lists(STEP, min_size=2, max_size=7), st.integers(0, 2**16), st.integers(0, 2**32))


def conv(old: int, new: int, k: int = 3, groups: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(old, new, k, padding=k // 2, groups=groups, bias=bias)


def divisor(n: int, which: int) -> int:
    """A divisor of n above 1, where there is one below n."""
    found = [d for d in range(2, n) if n % d == 0] or [1]
    return found[which % len(found)]


class Scale(nn.Module):
    """A factor for each channel, as a bare parameter."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor[:, None, None]


class Grown(nn.Module):
    """The network of a list of steps."""

    def __init__(self, steps: list[tuple[str, int, int]], head: int) -> None:
        super().__init__()
        self.stem = conv(3, 4 + head % 5)
        self.parts, self.plan = nn.ModuleDict(), []
        width, past = self.stem.out_channels, [self.stem.out_channels]
        for i, (op, a, b) in enumerate(steps):
            new = 2 + a % 9
            kind, width = self._grow(f"{i}", op, a, b, width, new, past)
            self.plan.append((f"{i}", *kind))
            past.append(width)
        self.pooled, hidden = head % 3 > 0, head % 4 == 0
        flat = width * (1 if self.pooled else 4)
        self.head = nn.Sequential(nn.Linear(flat, 7), nn.ReLU(), nn.Linear(7, 3)) if hidden else nn.Linear(flat, 3)

    def _grow(self, name: str, op: str, a: int, b: int, width: int, new: int, past: list[int]) -> tuple[tuple[Any, ...], int]:
        """(what forward does, with which numbers), and how many channels come out."""
        def put(*layers: nn.Module) -> None:
            self.parts[name] = nn.ModuleList(layers)

        if op == "conv":
            put(conv(width, new, (1, 3)[b % 2], bias=b % 3 > 0))
            return ("layers",), new
        if op == "norm":
            put(nn.BatchNorm2d(width, affine=b % 4 > 0))
            return ("layers",), width
        if op == "group":
            groups = divisor(width, a)
            put(conv(width, groups * (1 + b % 3), groups=groups))
            return ("layers",), groups * (1 + b % 3)
        if op == "depthwise":
            more = 1 + b % 2 if width * 2 <= MAX_WIDTH else 1
            put(conv(width, width * more, groups=width), conv(width * more, new, 1))
            return ("layers",), new
        if op == "residual":
            put(conv(width, new), nn.BatchNorm2d(new), nn.ReLU(), conv(new, width, bias=b % 2 == 0), nn.BatchNorm2d(width))
            return ("residual",), width
        if op == "add":
            same = [i for i, w in enumerate(past[:-1]) if w == width]
            return (("add", same[a % len(same)]), width) if same else (("relu",), width)
        if op in ("concat", "concat3") and width + new <= MAX_WIDTH:
            put(conv(width, new), *([conv(width, 1 + b % 4, 1)] if op == "concat3" else []))
            return (op, b % 2), width + new + (1 + b % 4 if op == "concat3" else 0)
        if op in ("split", "gate") and width % 2 == 0:
            if op == "gate":
                return ("gate", b % 3), width // 2
            put(conv(width // 2, new))
            return ("split", b % 3), new + width // 2
        if op == "shuffle" and divisor(width, a) > 1:
            return ("shuffle", divisor(width, a)), width
        if op == "scale":
            put(Scale(width))
            return ("layers",), width
        return ("pool" if op == "pool" else "relu",), width

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        past = [x]
        for name, kind, *numbers in self.plan:
            x = getattr(self, f"_{kind}")(x, past, self.parts[name] if name in self.parts else (), *numbers)
            past.append(x)
        x = F.adaptive_avg_pool2d(x, 1 if self.pooled else 2).flatten(1)
        return self.head(x)

    def _layers(self, x: Tensor, past: list[Tensor], layers: Any) -> Tensor:
        for layer in layers:
            x = layer(x)
        return x

    def _residual(self, x: Tensor, past: list[Tensor], layers: Any) -> Tensor:
        return F.relu(x + self._layers(x, past, layers))

    def _add(self, x: Tensor, past: list[Tensor], layers: Any, which: int) -> Tensor:
        return x + past[which]

    def _concat(self, x: Tensor, past: list[Tensor], layers: Any, first: int) -> Tensor:
        return torch.cat([layers[0](x), x] if first else [x, layers[0](x)], 1)

    def _concat3(self, x: Tensor, past: list[Tensor], layers: Any, first: int) -> Tensor:
        return torch.cat([layers[1](x), *((x, layers[0](x)) if first else (layers[0](x), x))], 1)

    def _split(self, x: Tensor, past: list[Tensor], layers: Any, how: int) -> Tensor:
        one, two = x.chunk(2, 1) if how else (x[:, :x.shape[1] // 2], x[:, x.shape[1] // 2:])
        return torch.cat([layers[0](one), two] if how < 2 else [one, layers[0](two)], 1)

    def _gate(self, x: Tensor, past: list[Tensor], layers: Any, how: int) -> Tensor:
        one, two = x.chunk(2, 1)
        return one * two.sigmoid() if how == 0 else one + two if how == 1 else torch.maximum(one, two)

    def _shuffle(self, x: Tensor, past: list[Tensor], layers: Any, groups: int) -> Tensor:
        n, c, h, w = x.shape
        return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)

    def _relu(self, x: Tensor, past: list[Tensor], layers: Any) -> Tensor:
        return F.relu(x)

    def _pool(self, x: Tensor, past: list[Tensor], layers: Any) -> Tensor:
        return F.max_pool2d(x, 3, 1, 1)


def grown(network: Any) -> Grown:
    """The network in eval mode and double precision, no norm or bias of which is at its constant start."""
    steps, head, choice = network
    with torch.random.fork_rng():
        torch.manual_seed(choice)
        net = Grown(steps, head).double().eval()
        with torch.no_grad():
            for name, tensor in net.state_dict().items():
                if tensor.is_floating_point() and tensor.dim() == 1:
                    tensor.uniform_(0.5, 1.5)
                    tensor *= 1 if "running_var" in name else torch.randint(0, 2, tensor.shape) * 2 - 1
    return net


def judge(network: Any, spoil: int = 0) -> tuple[str, dict[str, int]]:
    """Read a network, remove a part of some of its groups; what came of it, and the groups and channels there were.

    spoil: how many channels the sliced network is wrong by, to see that it is seen.
    """
    steps, head, choice = network
    draw, model = random.Random(choice), grown(network)
    x = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(choice), dtype=torch.float64)
    groups = read(model, x).groups
    kept = {g.name: tuple(sorted(draw.sample(range(g.width), draw.randint(1, g.width)))) if draw.random() < 0.8 else tuple(range(g.width)) for g in groups}
    cut, zeroed = copy.deepcopy(model), copy.deepcopy(model)
    slice_(cut, groups, {n: tuple(sorted((k + spoil) % g.width for k in kept[n])) for n, g in ((g.name, g) for g in groups)})
    for group in groups:
        zero_(zeroed, group, [c for c in range(group.width) if c not in kept[group.name]])
    counts = {"groups": len(groups), "channels": sum(g.width for g in groups), "removed": sum(g.width - len(kept[g.name]) for g in groups)}
    with torch.no_grad():
        wanted, found = zeroed(x), cut(x)
        counts["changed"] = int(not torch.equal(wanted, model(x)))
        if not float((wanted - found).abs().max()) <= TOLERANCE * max(1.0, float(wanted.abs().max())):
            return f"differs by {float((wanted - found).abs().max()):.3g}", counts
    cut.train()(x).sum().backward()
    if lost := [n for n, p in cut.named_parameters() if p.grad is None]:
        return f"no gradient in {lost[0]}", counts
    cut.eval()
    small = architecture_after(named(model, x), model, cut, Selection(kept), groups)
    again = shell(architecture_of(json.loads(json.dumps(small.to_json()))), model=lambda: Grown(steps, head).double()).eval()
    again.load_state_dict(cut.state_dict())
    with torch.no_grad():
        return "equal" if torch.equal(again(x), cut(x)) and isinstance(small, Architecture) else "rebuilt otherwise", counts


def campaign(networks: int, number: int, report: Any, before: dict[str, Any]) -> dict[str, Any]:
    """Networks drawn from one seed after the other; what came of them.  before: the result to go on from."""
    start, outcomes = time.time() - before.get("seconds", 0), Counter(before.get("outcomes", {}))
    totals, failures, ops = Counter(before.get("totals", {})), dict(before.get("failures", {})), Counter(before.get("steps", {}))
    result = before
    while sum(outcomes.values()) < networks:
        number += 1
        draw = random.Random(number)
        network = [(draw.choice(OPS), draw.randrange(2**16), draw.randrange(2**16)) for _ in range(draw.randint(2, 7))], draw.randrange(2**16), number
        try:
            outcome, counts = judge(network)
        except BenchError as error:
            outcome, counts = f"refused: {error.what.splitlines()[0][:150]}", {}
        except Exception as error:  # noqa: BLE001 -- that is what is looked for
            outcome, counts = f"{type(error).__name__}: {traceback.format_exc()[-600:]}", {}
        outcomes["equal" if outcome == "equal" else "failed"] += 1
        totals.update(counts)
        ops.update(op for op, _, _ in network[0])
        if outcome != "equal":
            failures[str(number)] = {"network": network, "outcome": outcome}
        if sum(outcomes.values()) % 50 == 0 or sum(outcomes.values()) == networks:
            result = {"networks": sum(outcomes.values()), "outcomes": dict(outcomes), "failures": failures, "totals": dict(totals), "steps": dict(sorted(ops.items())),
                      "seconds": round(time.time() - start), "last_seed": number,
                      "versions": {"python": platform.python_version(), "torch": version("torch")}}
            report(result)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="the first network has the next number")
    parser.add_argument("--result", type=Path, help="where to write what came of it, every 50 networks; one that is there is gone on from")
    said = parser.parse_args()
    warnings.simplefilter("ignore")
    before = json.loads(said.result.read_text()) if said.result and said.result.exists() else {}

    def report(result: dict[str, Any]) -> None:
        if said.result:
            said.result.write_text(json.dumps(result, indent=1) + "\n")
        print(f"{result['networks']:,} networks, {result['seconds']} s, {len(result['failures'])} failures", file=sys.stderr, flush=True)

    return 1 if campaign(said.networks, before.get("last_seed", said.seed), report, before)["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
