"""How many networks of timm and torchvision the graph prunes rightly, refuses with a reason, or gets wrong; Torch-Pruning beside it.

    python tests/nets/breadth.py --table tests/data/breadth.md         # all of tests/data/timm_names.txt and torchvision_names.txt
    python tests/nets/breadth.py timm:vit_tiny_patch16_224 torchvision:resnet18

Each network is made and judged in a process of its own, with a limit on its time and memory. Its weights are random; norms, scales and
biases are such that every branch is felt. Half of every group, drawn at random, goes; and,
in another copy, any number of channels of every second group. Seconds are those of one core, to read the network.

right     the network with these channels zeroed and the sliced one agree to TOLERANCE of the largest output, and to a hundredth
          of what the zeros changed in it, in eval mode, both times; and what has lost half runs
          forward and backward in train mode: all that had a gradient still has one.
refused   a BenchError, with its reason.
wrong     anything else: they disagree, something crashed, or a limit was reached.
deep      right, with less than DEEP of the multiply-adds left.

Torch-Pruning has no zeroed network to compare with, so it is asked for less: right when half of the channels of every group that it finds
are gone (its own BasePruner, random importance, the classifier left whole, num_heads of attention given), the network runs,
gives finite outputs of the same shape, and all that had a gradient in train mode still has one.
"""
from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import multiprocessing
import random
import resource
import statistics
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"
LISTS = DATA / "timm_names.txt", DATA / "torchvision_names.txt"
TOLERANCE, DEEP, CLASSES, SIZES = 1e-4, 0.4, 10, (64, 96, 128, 160, 192, 224, 256, 384)
Row = dict[str, Any]


def build(name: str) -> tuple[Any, Any]:
    """The network `library:NAME` in eval mode, alive, and two images of the smallest size at which it runs in both modes."""
    import torch

    library, _, inner = name.partition(":")
    torch.manual_seed(0)
    if library == "timm":
        import timm

        model = timm.create_model(inner, pretrained=False, num_classes=CLASSES)
        own = model.default_cfg
        size = own["input_size"][-1]
        sizes = [size] if own.get("fixed_input_size") else [*(s for s in SIZES if s < size), size]
    else:
        from torchvision import models

        own = {"init_weights": True} if inner in ("googlenet", "inception_v3") else {}
        model = models.get_model(inner, weights=None, num_classes=CLASSES, **own)
        sizes = [*SIZES]
    alive_(model)
    return model.eval(), next(x for x in (torch.randn(2, 3, s, s) for s in sizes) if _runs(model, x))


def alive_(model: Any) -> None:
    """Norms, scales and biases that let every branch be felt: constants become U(0.5, 1.5), zeros a normal of deviation 0.2 (or He's)."""
    import torch

    buffers = {k: b for k, b in model.named_buffers() if k.endswith(("running_mean", "running_var"))}
    with torch.no_grad():
        for t in (*model.parameters(), *buffers.values()):
            if t.numel() and bool((t == t.reshape(-1)[0]).all()):
                if float(t.reshape(-1)[0]) or not t.dim():
                    t.uniform_(0.5, 1.5)
                else:
                    t.normal_(0, min(0.2, t[0].numel() ** -0.5) if t.dim() > 1 else 0.2)


def _runs(model: Any, x: Any) -> bool:
    import torch

    try:
        with torch.no_grad():
            fine = all(bool(t.isfinite().all()) for t in leaves(model.eval()(x)))
            model.train()(x)
    except Exception:  # noqa: BLE001 -- too small an image fails in many ways
        fine = False
    model.eval()
    return fine


def leaves(output: Any) -> list[Any]:
    """The floating tensors in an output."""
    from torch import Tensor
    from torch.utils import _pytree as pytree

    return [t for t in pytree.tree_leaves(output) if isinstance(t, Tensor) and t.is_floating_point()]


def ours(model: Any, x: Any) -> Row:
    """Half of every group of benchbase's graph, and then any part of any of them."""
    import torch

    from benchbase.errors import BenchError
    from benchbase.nets.cost import cost
    from benchbase.nets.graph import read

    start = time.process_time()
    try:
        trace = read(model, x)
    except BenchError as error:
        return {"verdict": "refused", "why": error.what, "seconds": time.process_time() - start}
    row = {"seconds": time.process_time() - start, "groups": len(trace.groups), "pins": sorted({p.why for p in trace.pins})}
    draw = torch.Generator().manual_seed(0)
    half = {g.name: torch.randperm(g.width, generator=draw)[:g.width - g.width // 2] for g in trace.groups}
    some = {g.name: torch.randperm(g.width, generator=draw)[:int(torch.randint(1, g.width, (), generator=draw))] for g in trace.groups[::2]}
    other, _ = _cut(model, x, trace.groups, some)
    found, small = _cut(model, x, trace.groups, half)
    row |= found
    row["kept"] = cost(trace, dict(small.named_parameters())).macs / cost(trace, dict(model.named_parameters())).macs
    row |= {"difference": max(found["difference"], other["difference"]), "felt": min(found["felt"], other["felt"] or 1.0)}
    why = "" if row["difference"] <= min(TOLERANCE, row["felt"] / 100) else f"zeroed and sliced differ by {row['difference']:.1e}"
    why = why or ("" if row["felt"] > TOLERANCE or not trace.groups else f"what was zeroed is not felt: {row['felt']:.1e}")
    return {**row, "verdict": "wrong" if (why := why or _learns(model, small, x)) else "right", "why": why}


def _cut(model: Any, x: Any, groups: Any, kept: Mapping[str, Any]) -> tuple[Row, Any]:
    """How far the zeroed network is from the sliced one, and the dense one from both; and the sliced one."""
    import torch

    from benchbase.nets.net import private_copy
    from benchbase.nets.surgery import slice_, zero_

    kept = {name: sorted(channels.tolist()) for name, channels in kept.items()}
    zeroed, small = private_copy(model), private_copy(model)
    for g in groups:
        if g.name in kept:
            zero_(zeroed, g, sorted(set(range(g.width)) - set(kept[g.name])))
    slice_(small, groups, kept)
    with torch.no_grad():
        dense, wanted, given = leaves(model(x)), leaves(zeroed(x)), leaves(small(x))
    return {"difference": max(_difference(a, b) for a, b in zip(wanted, given, strict=True)),
            "felt": max(_difference(a, b) for a, b in zip(dense, wanted, strict=True))}, small


def _difference(a: Any, b: Any) -> float:
    gap = float((a - b).abs().max()) / max(float(a.abs().max()), 1e-30) if a.shape == b.shape else float("inf")
    return gap if gap == gap else float("inf")


def _learns(dense: Any, small: Any, x: Any) -> str:
    """What is missing after a backward pass in train mode: a parameter without a gradient that has one in the dense network; "" for nothing."""
    import torch

    for model in (dense, small):
        torch.manual_seed(0)
        sum(t.square().mean() for t in leaves(model.train()(x))).backward()
        model.eval()
    lost = [n for (n, p), q in zip(small.named_parameters(), dense.parameters(), strict=True) if p.grad is None and q.grad is not None]
    return f"no gradient reaches {lost[0]}" if lost else ""


def theirs(model: Any, x: Any) -> Row:
    """Half of every group of Torch-Pruning's."""
    import torch
    import torch_pruning
    from torch.utils.flop_counter import FlopCounterMode

    from benchbase.nets.net import private_copy

    small = private_copy(model)
    with torch.no_grad():
        wanted = leaves(model(x))
    heads = {m.qkv: m.num_heads for m in small.modules() if isinstance(getattr(m, "qkv", None), torch.nn.Linear) and hasattr(m, "num_heads")}
    start = time.process_time()
    pruner = torch_pruning.pruner.BasePruner(small, x, importance=torch_pruning.importance.RandomImportance(), pruning_ratio=0.5, num_heads=heads,
                                             ignored_layers=[m for m in small.modules() if getattr(m, "out_features", 0) == CLASSES
                                                             or getattr(m, "out_channels", 0) == CLASSES])
    row = {"seconds": time.process_time() - start}
    pruner.step()
    counts = []
    for net in (model, small):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            given = leaves(net(x))
        counts.append(counter.get_total_flops())
    bad = any(a.shape != b.shape or not b.isfinite().all() for a, b in zip(wanted, given, strict=True))
    why = "outputs are not finite or of another shape" if bad else _learns(model, small, x)
    return {**row, "kept": counts[1] / counts[0], "verdict": "failed" if why else "right", "why": why}


WAYS: dict[str, Callable[[Any, Any], Row]] = {"ours": ours, "theirs": theirs}


def judge(name: str, ways: Sequence[str] = ("ours",), tell: Callable[[Row], None] = lambda row: None) -> Row:
    """One network in this process: each way's row, by its name. tell: hears of every row as soon as it is there."""
    warnings.simplefilter("ignore")
    model, x = build(name)
    result: Row = {"size": x.shape[-1], "params": sum(p.numel() for p in model.parameters())}
    for way in ways:
        try:
            result[way] = WAYS[way](model, x)
        except Exception as error:  # noqa: BLE001 -- whatever it stops with is the finding
            at = traceback.extract_tb(error.__traceback__)[-1]
            said = str(error).strip().splitlines()
            result[way] = _failed(way, f"{type(error).__name__}: {said[0] if said else ''} ({at.name})"[:200])
        model.zero_grad(set_to_none=True)
        tell(result)
    return result


def _failed(way: str, why: str) -> Row:
    return {"verdict": "wrong" if way == "ours" else "failed", "seconds": 0.0, "why": why}


def _child(name: str, limits: Mapping[str, int], memory: int, sender: Any) -> None:
    import torch

    torch.set_num_threads(1)
    most = sum(limits.values())
    resource.setrlimit(resource.RLIMIT_CPU, (limits["ours"], most))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    def tell(row: Row) -> None:
        sender.send(row)
        resource.setrlimit(resource.RLIMIT_CPU, (min(int(time.process_time()) + limits.get("theirs", 0) + 1, most), most))

    judge(name, tuple(limits), tell)


def alone(name: str, limits: Mapping[str, int], memory: int) -> Row:
    """`judge` in a fresh process; what reaches its limit is wrong. limits: way -> seconds of a core."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["timm", "torchvision", "benchbase.nets.graph"])
    receiver, sender = context.Pipe(False)
    process = context.Process(target=_child, args=(name, limits, memory, sender))
    process.start()
    sender.close()
    row: Row = {}
    with contextlib.suppress(EOFError):
        while receiver.poll(100 * sum(limits.values())):
            row = receiver.recv()
    process.kill()
    process.join()
    missing = {way: _failed(way, f"not done in {seconds} s and {memory / 2**30:.0f} GiB") for way, seconds in limits.items() if way not in row}
    return {"name": name, **row, **missing}


def draw(seed: int, count: int = 100, families: int = 60, most: int = 40_000_000) -> list[str]:
    """Names of timm's networks of fewer than `most` parameters: one of each of `families` files of timm, drawn, and others from all."""
    import timm
    import torch

    small: dict[str, list[str]] = {}
    for family in timm.list_modules():
        for name in timm.list_models(module=family):
            with torch.device("meta"):
                size = sum(p.numel() for p in timm.create_model(name, pretrained=False, num_classes=CLASSES).parameters())
            if size < most:
                small.setdefault(family, []).append(name)
    generator = random.Random(seed)
    chosen = {generator.choice(small[family]) for family in generator.sample(sorted(small), families)}
    others = sorted({name for names in small.values() for name in names} - chosen)
    return sorted(f"timm:{name}" for name in (*chosen, *generator.sample(others, count - len(chosen))))


def table(rows: Sequence[Row]) -> str:
    """The rows and their counts as Markdown."""
    counts = [f"| {library} | {_counts([r for r in rows if r['name'].startswith(library)])} |" for library in ("timm", "torchvision")
              if any(r["name"].startswith(library) for r in rows)]
    about = __doc__.split("\n\n", 2)[2].strip().replace("TOLERANCE", f"{TOLERANCE:g}").replace("DEEP", f"{DEEP:.0%}")
    lines = ["# Half of every group", "", about, "",
             "| library | networks | right | refused | wrong | deep | median seconds to read | Torch-Pruning right | its median seconds |",
             "|---|---|---|---|---|---|---|---|---|", *counts, "",
             "| network | size | million parameters | groups | verdict | MACs left | seconds | difference "
             "| Torch-Pruning | MACs left | seconds | why not |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    return "\n".join([*lines, *map(_line, rows), ""])


def _counts(rows: Sequence[Row]) -> str:
    verdicts = [r["ours"]["verdict"] for r in rows]
    deep = sum(r["ours"]["verdict"] == "right" and r["ours"]["kept"] < DEEP for r in rows)
    beside = [r["theirs"] for r in rows if "theirs" in r]
    right = f"{sum(t['verdict'] == 'right' for t in beside)} of {len(beside)}" if beside else "not installed"
    return " | ".join(map(str, (len(rows), *(verdicts.count(v) for v in ("right", "refused", "wrong")), deep, _median([r["ours"] for r in rows]),
                                right, _median(beside))))


def _median(rows: Sequence[Row]) -> str:
    done = [r["seconds"] for r in rows if r["seconds"]]
    return f"{statistics.median(done):.1f}" if done else ""


def _line(row: Row) -> str:
    mine, other = row["ours"], row.get("theirs", {})
    why = "; ".join(f"{who}: {text}" for who, text in (("benchbase", mine.get("why")), ("Torch-Pruning", other.get("why"))) if text)
    cells = (row["name"], row.get("size", ""), f"{row['params'] / 1e6:.1f}" if "params" in row else "", mine.get("groups", ""), mine["verdict"],
             *_numbers(mine), f"{mine['difference']:.0e}" if "difference" in mine else "",
             other.get("verdict", ""), *_numbers(other), why.replace("|", "/"))
    return "| " + " | ".join(map(str, cells)) + " |"


def _numbers(row: Row) -> tuple[str, str]:
    return f"{row['kept']:.0%}" if "kept" in row else "", f"{row['seconds']:.1f}" if row.get("seconds") else ""


def main() -> int:
    """Judge the networks named, or all of the lists; exit code 1 if any is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="library:NAME; default: all of the lists")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=120, help="limit of one network, on one core")
    parser.add_argument("--beside", type=int, default=30, metavar="SECONDS", help="limit of Torch-Pruning on one network")
    parser.add_argument("--gigabytes", type=float, default=8, help="limit of one network")
    parser.add_argument("--alone", action="store_true", help="without Torch-Pruning")
    parser.add_argument("--table", type=Path, help="write Markdown here")
    parser.add_argument("--json", type=Path, help="keep all that is found here; what it has is not judged again")
    parser.add_argument("--draw", type=int, metavar="SEED", help="print a new list of timm's networks and judge nothing")
    args = parser.parse_args()
    if args.draw is not None:
        print(*draw(args.draw), sep="\n")
        return 0
    names = args.names or [line for path in LISTS for line in path.read_text(encoding="utf-8").split()]
    beside = not args.alone and importlib.util.find_spec("torch_pruning") is not None
    limits = {"ours": args.seconds} | ({"theirs": args.beside} if beside else {})
    run = partial(alone, limits=limits, memory=int(args.gigabytes * 2**30))
    known = {row["name"]: row for row in json.loads(args.json.read_text(encoding="utf-8"))} if args.json and args.json.exists() else {}
    with ThreadPool(args.jobs) as pool:
        for row in pool.imap(run, [name for name in names if name not in known]):
            known[row["name"]] = row
            print(_line(row), flush=True)
            if args.json:
                args.json.write_text(json.dumps([*known.values()], indent=1) + "\n", encoding="utf-8")
    rows = [known[name] for name in names]
    if args.table:
        args.table.write_text(table(rows), encoding="utf-8")
    print(*table(rows).splitlines()[-len(rows) - 7:-len(rows) - 2], sep="\n")
    return int(any(r["ours"]["verdict"] == "wrong" for r in rows))


if __name__ == "__main__":
    sys.exit(main())
