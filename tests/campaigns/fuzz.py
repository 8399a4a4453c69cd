"""Hostile files for every reader: valid ones changed in their structure or byte by byte, and noise.

A reader returns a value or raises BenchError with both its lines. It opens no file outside its folder, writes none, starts no program, opens no
connection and finds no class of a pickle: an audit hook of the interpreter sees them all.

    python tests/campaigns/fuzz.py --inputs 1000000 --result tests/data/fuzz.json
"""
from __future__ import annotations

import argparse
import base64
import copy
import io
import json
import os
import platform
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save
from torch import nn

from benchbase.errors import BenchError
from benchbase.flow.store import Done, Store, write_stage
from benchbase.nets.folder import read_folder, read_selection, write_folder
from benchbase.nets.prune import Pruned
from benchbase.nets.rebuild import build
from benchbase.nets.weights import digest_of, read_weights
from benchbase.plugin.names import parse_name
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.bits import pack_bits
from benchbase.values.bounded import json_of
from benchbase.values.budget import Budget, budget_of, parse_budget
from benchbase.values.recipe import Recipe, recipe_of
from benchbase.values.record import Failure, Record, consistent, failure_of, path_of, read, record_of, to_text
from benchbase.values.selection import Selection
from benchbase.values.spec import parse_seeds, read_suite, read_yaml
from benchbase_plugins.datasets.imagefolder import decode

SLOW = 1.0  # seconds
NUMBERS = [-1, 0, 1, 0.5, 1.5, -0.0, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, 10**400, 1e-320, 1e308, float("nan"), float("inf"), -float("inf")]
TEXTS = ["", ".", "..", "../../../etc/passwd", "/etc/passwd", "C:\\x", "a/b", "a\0b", "\x1b[31mred\x07", "\u202eabc", "\u200b", "\ud800", "é", "e\u0301", "İ",
         "x" * 3000, "NaN", "1e999", "0x10", "٣", "1_000", "-0", "0.5", "true", "~", "*", "[", "[z-a]", "@", "a@0.5", "macs=0.5", "!!python/name:os.system",
         "{{7*7}}", "%s%n", "$(id)", "=1+1", "features.0", "0", "weights.safetensors", "2001-99-99"]


def nested(depth: int, table: bool = False) -> Any:
    data: Any = 0
    for _ in range(depth):
        data = {"a": data} if table else [data]
    return data


HOSTILE = [None, True, False, *NUMBERS, *TEXTS, [], {}, [[]], [None], {"": 0}, {"../x": [1]}, nested(12), nested(60), nested(60, True), ["a"] * 300, [1] * 300,
           {str(i): i for i in range(300)}, [0, 0], [3, 1], [-1], {"0": [2, 1]}, {"name": "x", "ratio": 0.5}]
OPS = ("replace", "replace", "replace", "delete", "rename", "repeat", "wrap", "near")
CUTS = ("put", "put", "insert", "cut", "end", "repeat")
# which file, what is done to it (one number an edit: every draw costs more than most readers), bytes to put in
PROGRAM = st.tuples(st.integers(0, 2**16), st.lists(st.integers(0, 2**40), max_size=3), st.binary(max_size=24))


def places(data: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in plain data, from the top."""
    found, todo = [], [data]
    while todo:
        outer = todo.pop()
        for key in list(outer) if isinstance(outer, dict) else range(len(outer)):
            found.append((outer, key))
            if isinstance(outer[key], (dict, list)):
                todo.append(outer[key])
    return found


def changed(data: Any, edits: Sequence[int]) -> Any:
    """Plain data with some of its places changed."""
    box = [copy.deepcopy(data)]
    for edit in edits:
        where, which, op = edit >> 16, (edit >> 3) % len(HOSTILE), OPS[edit % len(OPS)]
        there = places(box)
        if not there:
            continue
        outer, key = there[where % len(there)]
        value, old = copy.deepcopy(HOSTILE[which]), outer[key]
        if op == "delete" and outer is not box:
            del outer[key]
        elif op == "rename" and isinstance(outer, dict):
            outer[str(value)] = outer.pop(key)
        elif op == "repeat" and isinstance(old, (list, str)):
            outer[key] = old * 3
        elif op == "wrap":
            outer[key] = [old] if which % 2 else {"a": old}
        elif op == "near" and isinstance(old, (int, float)) and not isinstance(old, bool):
            outer[key] = old + (which % 5) - 2
        elif op == "near" and isinstance(old, str):
            outer[key] = old[:which % (len(old) + 1)]
        else:
            outer[key] = value
    return box[0]


def torn(raw: bytes, edits: Sequence[int], noise: bytes) -> bytes:
    """Bytes with some of them changed."""
    for edit in edits:
        at, op, value = (edit >> 16) % (len(raw) + 1), CUTS[edit % len(CUTS)], noise[(edit >> 6) % 16:(edit >> 10) % 24]
        raw = {"put": raw[:at] + value + raw[at + len(value):], "insert": raw[:at] + value + raw[at:], "cut": raw[:at] + raw[at + max(len(value), 1):],
               "end": raw[:at], "repeat": raw[:at] + raw[at:at + 40] * 3 + raw[at:]}[op]
    return raw


@dataclass(frozen=True)
class Reader:
    """What reads one kind of file. name: of the file.  valid: plain data (written as JSON, which is YAML too) or bytes.  call: reads it in a folder.

    share: of all inputs.
    """

    name: str
    valid: Sequence[Any]
    call: Callable[[Path], Any]
    share: int = 10

    def made(self, program: tuple[int, list[int], bytes]) -> bytes:
        """An input: of eight, five with changed parts (where there is plain data), two with changed bytes, one of noise."""
        which, edits, noise = program
        kind, data = which % 8, self.valid[which // 8 % len(self.valid)]
        if kind == 7:
            return noise
        if isinstance(data, bytes):
            return torn(data, edits, noise)
        return json.dumps(changed(data, edits)).encode() if kind < 5 else torn(json.dumps(data).encode(), edits, noise)


class Watch:
    """What the interpreter does while a reader is at work, beside reading in its folder."""

    FORBIDDEN = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "socket.", "pickle.", "os.remove", "os.rename",
                 "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "shutil.", "tempfile.", "urllib.")

    def __init__(self) -> None:
        self.folder = ""
        self.seen: list[str] = []
        self.code = tuple({os.path.realpath(p) + os.sep for p in (*sys.path, sys.prefix, sys.base_prefix, Path(__file__).parents[2]) if p and p != "."})
        sys.addaudithook(self.hook)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.folder:
            return
        if event == "open":
            path, mode, flags = str(args[0]), str(args[1] or ""), args[2] if isinstance(args[2], int) else 0
            writes = any(c in mode for c in "wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not isinstance(args[0], int) and (writes or not (path.startswith(self.folder) or os.path.realpath(path).startswith(self.code))):
                self.seen.append(f"{event} {path[:200]!r} {mode}")
        elif event.startswith(self.FORBIDDEN):
            self.seen.append(f"{event} {args!r:.200}")


class Tiny(nn.Sequential):
    """The network of the pruned folders."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 2, 3), nn.Flatten())


def example_records() -> list[Any]:
    base = Recipe(epochs=30, batch_size=64, lr=0.1)
    sha = "0123456789abcdef" * 4
    size = {"params": 140, "macs": 2000, "nonzero": 140, "macs_nonzero": 2000}
    shape = Architecture("vgg-digits", 10, (1, 8, 8), shapes={"conv1.weight": (4, 1, 3, 3)}, widths={"conv1": 4})
    data = {"dataset": {"name": "digits", "fingerprint": sha}, "model": "vgg-digits",
            "method": {"name": "l1-norm", "version": 1, "params": {"images": 64, "refit": True}, "distribution": "benchbase", "distribution_version": "0.1"},
            "budget": Budget(ratio=0.5).to_json(), "protocol": "scratch-b", "seed": 0, "recipe": base, "finetune_recipe": replace(base, milestones=()),
            "scratch_epochs": {"formula": "int(K1 x F1/F2)", "ratio": 2.0, "cap": None}, "architecture": shape.to_json(), "kept": {"conv1": [0, 1, 2, 5]},
            "metrics": {"top1": 50.0, "top5": 100.0, "loss": 0.25, **size, "equivalence": 1e-6, "epochs": 30, "extra": {"flips": 2.0}}, "asked": {"ratio": 0.5},
            "achieved": {"channels": 0.5}, "test_images": 8, "correct": pack_bits([True, False] * 4), "unpruned": {"top1": 75.0, "loss": 0.2, **size},
            "digests": {"plain": sha, "base": sha, "pruned": sha, "final": sha, "architecture": shape.digest}, "shared_with": [sha],
            "ledger": {"pretrain": {"epochs": 30, "images": 26, "macs": 10, "seconds": 2.5}, "prune": {}, "retrain": {}, "formula": "K1"}, "precision": "fp32",
            "threads": 1, "memory_format": "channels_last", "versions": {"torch": "2.11"}, "device": {"type": "cpu"}, "started": "2025-01-01T00:00:00Z"}
    record = record_of(data)
    cell = {name: data[name] for name in ("dataset", "model", "method", "budget", "protocol", "seed", "recipe", "finetune_recipe")}
    failure = failure_of({**cell, "kind": "diverged", "message": "the loss is not finite", "traceback": 'File "x.py", line 3'})
    return [json.loads(to_text(record)), json.loads(to_text(failure))]


def example_images() -> list[bytes]:
    picture, made = Image.frombytes("RGB", (8, 8), bytes(range(192))), []
    for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        made.append(buffer.getvalue())
    return [*made, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(x) print\n", b"GIF89a" + b"\xff" * 20]


def example_folder(root: Path) -> Path:
    net = Tiny().eval()
    masks = {"0.weight": torch.ones(6, 1, 3, 3, dtype=torch.bool).tril()}
    cut = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten()).eval()
    shapes = {"0.weight": (4, 1, 3, 3), "0.bias": (4,), "3.weight": (2, 4, 3, 3)} | {f"1.{k}": (4,) for k in ("weight", "bias", "running_mean", "running_var")}
    write_folder(Pruned(cut, Selection({"0": (0, 1, 4, 5)}), Architecture("net", 2, (1, 5, 5), shapes=shapes, widths={"0": 4}), {"equivalence": 0.0}), root / "cut")
    write_folder(Pruned(net, Selection(masks=masks), Architecture("net", 2, (1, 5, 5), masks=digest_of(masks)), {}), root / "masked")
    return root


def record_reader(kind: type) -> Callable[[Path], Any]:
    def call(folder: Path) -> Any:
        found = read(folder / "record.json", kind)
        assert not path_of(found).is_absolute() and ".." not in path_of(found).parts and len(path_of(found).parts) in (5, 6)
        assert read_back(folder, found) == found
        return consistent(found) if kind is Record else None

    def read_back(folder: Path, found: Any) -> Any:
        return type(found).model_validate_json(to_text(found))

    return call


def suite(folder: Path) -> Any:
    found = read_suite(folder / "suite.yaml")
    for budget in found.budgets:
        budget_of(budget).label  # noqa: B018
    return recipe_of(dict(found.recipe)), recipe_of(dict(found.finetune))


def budget(folder: Path) -> Any:
    found = budget_of(read_yaml(folder / "budget.yaml"), name="mine")
    back = budget_of(json_of(json.dumps(found.to_json())))
    assert back == found and back.label == found.label
    return [found.keep(type("Group", (), {"name": name, "width": 64})) for name in ("features.0", "conv[1]")]


def text(folder: Path) -> Any:
    said = (folder / "text").read_bytes().decode("utf-8", "surrogateescape")
    left = []
    for parse in (parse_budget, parse_seeds, parse_name):
        try:
            parse(said)
        except BenchError as error:
            left.append(error)
    if len(left) == 3:
        raise left[0]
    return left


def architecture(folder: Path) -> Any:
    found = architecture_of(json_of_file(folder / "architecture.json"))
    again = architecture_of(json_of(json.dumps(found.to_json())))
    assert again == found and again.digest == found.digest
    return build(replace(found, masks=""), model=Tiny)


def json_of_file(path: Path) -> Any:
    from benchbase.nets.folder import read_json

    return read_json(path)


def stage(folder: Path) -> Any:
    store, key = Store(folder), "ab" * 32
    return store.get(key), store.failure(key)


def pruned(which: str) -> Callable[[Path], Any]:
    return lambda folder: read_folder(folder / which, model=Tiny)


def readers(root: Path) -> dict[str, tuple[Reader, Path]]:
    """Every reader, each with a folder of its own."""
    record, failure = example_records()
    net = Tiny()
    weights = save(dict(net.state_dict()))
    shape = {"model": "net", "num_classes": 2, "shape": [1, 5, 5], "shapes": {"0.weight": [4, 1, 3, 3], "0.bias": [4]}, "selects": {"3": [0, 1, 2]},
             "dropped": ["a"], "masks": "", "widths": {"0": 4}}
    cut = {**shape, "selects": {}, "dropped": [], "shapes": {"0.weight": [4, 1, 3, 3], "0.bias": [4], "3.weight": [2, 4, 3, 3],
                                                            **{f"1.{k}": [4] for k in ("weight", "bias", "running_mean", "running_var")}}}
    suites = [{"methods": ["l1-norm", "thinet[images=64]"], "models": "vgg16", "budgets": [0.5, "macs=0.5", {"ratios": {"layer1.*": 0.3}, "scope": "inner"}],
               "protocols": ["finetune"], "seeds": "0-4", "recipe": {"epochs": 10, "lr": "1e-4", "milestones": [0.5, 0.75]}, "finetune": {"lr": 0.001}},
              {"extends": "other.yaml", "seeds": [0, 1]}, b"base: &b {epochs: 3}\nrecipe: *b\nmethods: [thinet]\nfinetune: {<<: *b, lr: 1e-3}\n"]
    budgets = [{"ratio": 0.5}, {"ratios": {"features.*": 0.3, "*": 0.5}, "scope": "all"}, {"widths": {"features.0": 32}, "reads": {"a": 3}}, {"macs": 0.5, "like": "sss"},
               {"dropped": ["layer1.0", "layer1.1"]}, b"a: &a {x: 0.5}\nratios: *a\n"]
    made = {
        "record": Reader("record.json", [record], record_reader(Record), 15), "failure": Reader("record.json", [failure], record_reader(Failure), 8),
        "suite": Reader("suite.yaml", suites, suite, 12), "budget": Reader("budget.yaml", budgets, budget, 12),
        "text": Reader("text", [b"thinet[images=64,refit=false]", b"compression=8", b"network-slimming@0.5", b"0-4", b"0,2,5", b"macs=0.5"], text, 10),
        "architecture": Reader("architecture.json", [shape, cut], architecture, 10),
        "selection": Reader("selection.json", [{"kept": {"0": [0, 1], "3": [5]}, "reads": {"3": [0, 2]}, "dropped": ["a"], "masks": None},
                                               {"kept": {}, "reads": {}, "dropped": [], "masks": "masks.safetensors"}], read_selection, 8),
        "weights": Reader("w.safetensors", [weights, save({"m": torch.ones(3, dtype=torch.bool), "n": torch.tensor(2)})],
                          lambda f: read_weights(f / "w.safetensors"), 10),
        "image": Reader("x.png", example_images(), lambda folder: (decode(folder / "x.png", 0, folder), decode(folder / "x.png", 4, folder)), 8),
        "stage": Reader(f"ab/{'ab' * 32}/stage.json", [], stage, 6)}
    found = {}
    for name, reader in made.items():
        folder = root / name
        (folder / reader.name).parent.mkdir(parents=True)
        found[name] = reader, folder
    (root / "suite" / "other.yaml").write_text("methods: [thinet]\nextends: suite.yaml\n")
    (root / "selection" / "masks.safetensors").write_bytes(save({"0.weight": torch.ones(6, 1, 3, 3, dtype=torch.bool)}))
    whole = root / "stage" / "ab" / ("ab" * 32)
    (whole / "weights.safetensors").write_bytes(weights)
    write_stage(whole, Done("ab" * 32, "train", "cd" * 32, {"epochs": 3, "loss": 0.5}, whole, 1.5, "sweep"))
    found["stage"] = replace(made["stage"], valid=[json.loads((whole / "stage.json").read_text()), {"kind": "diverged", "what": "x", "todo": "y"}]), root / "stage"
    folders = example_folder(root / "folder")
    for part in ("cut/architecture.json", "cut/selection.json", "cut/report.json", "cut/weights.safetensors", "masked/architecture.json", "masked/masks.safetensors"):
        raw = (folders / part).read_bytes()
        valid = raw if part.endswith("safetensors") else json.loads(raw)
        found[f"folder {part}"] = Reader(part.partition("/")[2], [valid], pruned("."), 2), folders / part.partition("/")[0]
    return found


@dataclass
class Verdict:
    """value, refused, or what went wrong; seconds."""

    outcome: str
    seconds: float


def judge(reader: Reader, folder: Path, raw: bytes, watch: Watch) -> Verdict:
    """Give a reader one input; twice where it took long, since a busy machine may be the reason."""
    first = once(reader, folder, raw, watch)
    return first if first.seconds <= SLOW else min(first, once(reader, folder, raw, watch), key=lambda verdict: verdict.seconds)


def once(reader: Reader, folder: Path, raw: bytes, watch: Watch) -> Verdict:
    path = folder / reader.name
    whole = path.read_bytes() if path.exists() else None
    path.write_bytes(raw)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    watch.seen.clear()
    start = time.perf_counter()
    watch.folder = os.path.realpath(folder)
    try:
        reader.call(folder)
        outcome = "value"
    except BenchError as error:
        outcome = "refused" if error.what.strip() and (error.todo.strip() or error.kind != "usage") else "a BenchError without its lines"
    except Exception:  # noqa: BLE001 -- that is what is looked for
        outcome = traceback.format_exc()
    finally:
        watch.folder = ""
    seconds = time.perf_counter() - start
    if watch.seen:
        outcome = f"it did {watch.seen[0]}"
    elif {p: p.stat().st_mtime_ns for p in folder.rglob("*")} != before:
        outcome = "its folder is not as it was"
    if reader.name.count("/") or whole is not None and folder.name in ("cut", "masked"):
        path.write_bytes(whole) if whole is not None else path.unlink()
    return Verdict(outcome, seconds)


def examples(reader: Reader, count: int, number: int, each: Callable[[bytes], None]) -> None:
    """Call `each` on `count` inputs drawn by hypothesis from a seed, ten at a time."""
    @seed(number)
    @settings(max_examples=count // 10, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.lists(PROGRAM, min_size=10, max_size=10))
    def run(programs: list[Any]) -> None:
        for program in programs:
            each(reader.made(program))
    run()


def campaign(inputs: int, number: int, report: Callable[[dict[str, Any]], None], before: dict[str, Any]) -> dict[str, Any]:
    """Inputs in rounds until there have been so many; what came of them. report: is told after every round.  before: the result to go on from."""
    start, failures = time.time() - before.get("seconds", 0), dict(before.get("failures", {}))
    counts = {name: Counter(count) for name, count in before.get("readers", {}).items()}
    slow, slowest, watch = before.get("slower_than_1_s", 0), before.get("slowest_ms", 0) / 1000, Watch()
    result = before
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as root:
        every = readers(Path(root))
        while sum(sum(c.values()) for c in counts.values()) < inputs:
            for name, (reader, folder) in every.items():
                count = counts.setdefault(name, Counter())

                def each(raw: bytes) -> None:
                    nonlocal slow, slowest
                    seen = judge(reader, folder, raw, watch)
                    slow, slowest = slow + (seen.seconds > SLOW), max(slowest, seen.seconds)
                    count[seen.outcome if seen.outcome in ("value", "refused") else "failed"] += 1
                    if seen.outcome not in ("value", "refused"):
                        last = f"{name}: {seen.outcome.strip().splitlines()[-1][:200]}"
                        failures.setdefault(last, {"traceback": seen.outcome[-1500:], "input": base64.b64encode(raw[:4000]).decode()})
                number += 1
                examples(reader, 50 * reader.share, number, each)
            packages = ("hypothesis", "pydantic", "pyyaml", "safetensors", "pillow", "torch", "numpy")
            result = {"inputs": sum(sum(c.values()) for c in counts.values()), "failures": failures, "slower_than_1_s": slow,
                      "slowest_ms": round(1000 * slowest), "peak_memory_mb": max(before.get("peak_memory_mb", 0), peak_memory()),
                      "seconds": round(time.time() - start), "readers": {name: dict(sorted(c.items())) for name, c in counts.items()},
                      "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}}}
            report(result)
    return result


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10**6 * 10**6, help="of the first round")
    parser.add_argument("--result", type=Path, help="where to write what came of it, after every round; one that is there is gone on from")
    given_ = parser.parse_args()
    warnings.simplefilter("ignore")
    before = json.loads(given_.result.read_text()) if given_.result and given_.result.exists() else {}

    def report(result: dict[str, Any]) -> None:
        if given_.result:
            given_.result.parent.mkdir(parents=True, exist_ok=True)
            given_.result.write_text(json.dumps(result, indent=1) + "\n")
        print(f"{result['inputs']:,} inputs, {result['seconds']} s, {len(result['failures'])} failures", file=sys.stderr, flush=True)

    result = campaign(given_.inputs, given_.seed, report, before)
    return 1 if result["failures"] or result["slower_than_1_s"] else 0


if __name__ == "__main__":
    sys.exit(main())
