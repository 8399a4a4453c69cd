"""Records that are valid, made of a few numbers."""
from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import Any

from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget
from benchbase.values.record import Failure, Record, failure_of, pack_bits, record_of
from benchbase.values.recipe import Recipe

BASE = Recipe(epochs=30, batch_size=64, lr=0.1)
TUNE = replace(BASE, epochs=8, lr=0.001, milestones=())
DENSE = {"params": 140_000, "macs": 2_000_000, "nonzero": 140_000, "macs_nonzero": 2_000_000}
EPOCHS = {"one-shot": 0, "finetune": 8, "scratch-e": 30, "scratch-b": 100, "scratch-matched": 130, "unpruned-long": 130}
MACS = {"scratch-matched": 11 * 10**10}  # of retraining: all that finetune-matched spends


def sha(*what: Any) -> str:
    """A digest of anything printable."""
    return hashlib.sha256(repr(what).encode()).hexdigest()


def bits(right: int, n: int, seed: int = 0) -> str:
    """`right` of `n` images right, which of them drawn from `seed`."""
    chosen = set(random.Random(seed).sample(range(n), right))
    return pack_bits([i in chosen for i in range(n)])


def record_data(*, dataset: str = "digits", model: str = "vgg-digits", method: str = "l1-norm", protocol: str = "finetune", seed: int = 0,
                budget: Budget | None = None, right: int = 850, n: int = 898, width: int = 16, base_right: int = 870,
                params: dict[str, Any] | None = None,
                recipe: Recipe = BASE, finetune: Recipe = TUNE, final: str | None = None, **changes: Any) -> dict[str, Any]:
    """The plain data of a valid record; `changes` replace its fields, `a__b=x` the field b in a."""
    budget = budget or Budget(ratio=0.5)
    architecture = Architecture(model, 10, (1, 8, 8), shapes={"conv1.weight": (width, 1, 3, 3)}, widths={"conv1": width})
    macs = DENSE["macs"] * width // 64
    size = {"params": DENSE["params"] * width // 32, "macs": macs, "nonzero": DENSE["params"] * width // 32, "macs_nonzero": macs}
    shot = protocol == "one-shot"
    data: dict[str, Any] = {
        "dataset": {"name": dataset, "fingerprint": sha("data", dataset)}, "model": model,
        "method": {"name": method, "version": 1, "params": params or {}, "distribution": "benchbase", "distribution_version": "0.1"},
        "budget": budget.to_json(), "protocol": protocol, "seed": seed, "recipe": recipe, "finetune_recipe": finetune,
        "scratch_epochs": {"formula": "int(K1 x F1/F2)", "ratio": DENSE["macs"] / macs, "cap": None} if protocol.startswith("scratch") else None,
        "architecture": architecture.to_json(), "kept": {"conv1": list(range(width))},
        "metrics": {"top1": 100 * right / n, "top5": 100.0, "loss": 0.25, **size, "latency_ratio": None, "equivalence": 1e-6,
                    "top1_bn": 50.0 if shot else None, "loss_bn": 1.5 if shot else None, "epochs": EPOCHS.get(protocol, 30)},
        "asked": budget.to_json(), "achieved": {"channels": 0.5, "params": 0.5, "macs": 1 - macs / DENSE["macs"]},
        "test_images": n, "correct": bits(right, n, seed), "unpruned": {"top1": 100 * base_right / n, "top5": 100.0, "loss": 0.2, **DENSE},
        "sparse_base": None,
        "digests": {"plain": sha("plain", model, seed), "base": sha("plain", model, seed), "pruned": sha("pruned", method, seed, width),
                    "final": final or sha("final", method, protocol, seed, width, right), "architecture": architecture.digest},
        "shared_with": [], "ledger": {"pretrain": {"epochs": 30, "images": 26_970, "macs": 10**11, "seconds": 2.5},
                                      "prune": {"epochs": 0, "images": 0, "macs": 0, "seconds": 0.1},
                                      "retrain": {"epochs": EPOCHS.get(protocol, 30), "images": 7192, "macs": MACS.get(protocol, 10**10),
                                                  "seconds": 0.5}, "formula": "K2"},
        "precision": "fp32", "threads": 1, "memory_format": "channels_last", "versions": {"benchbase": "0.1", "torch": "2.11"},
        "device": {"type": "cpu", "name": "cpu"}, "started": "2025-01-01T00:00:00Z", "seconds": 3.0, "supersedes": None}
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        if inner:
            data[outer] = {**data[outer], inner: value}
        else:
            data[outer] = value
    return data


def record(**said: Any) -> Record:
    """A valid record; the arguments of `record_data`."""
    return record_of(record_data(**said))


def failure(kind: str = "diverged", **said: Any) -> Failure:
    """A failed cell like `record(**said)`."""
    data = record_data(**said)
    names = ("dataset", "model", "method", "budget", "protocol", "seed", "recipe", "finetune_recipe")
    return failure_of({**{n: data[n] for n in names}, "kind": kind, "message": "the loss is not finite", "traceback": ""})


def sweep(rights: dict[str, list[int]], **said: Any) -> list[Record]:
    """One row's records: protocol -> how many images each seed, from 0 on, got right."""
    return [record(protocol=protocol, seed=seed, right=right, **said) for protocol, each in rights.items() for seed, right in enumerate(each)]


def judged(gap: int = 0, seeds: int = 5, long: int = 870, **said: Any) -> list[Record]:
    """A row that earns a word: both matched protocols and unpruned-long, the inherited side `gap` images (of 898) ahead at every seed."""
    shape = {"shapes": {}, "widths": {}}
    dense = [record(protocol="unpruned-long", seed=s, right=long, width=64, **{f"architecture__{k}": v for k, v in shape.items()}, kept={},
                    **{k: v for k, v in said.items() if k != "width"}) for s in range(seeds)]
    return sweep({"finetune-matched": [850 + s + gap for s in range(seeds)], "scratch-matched": [850 + s for s in range(seeds)]}, **said) + dense
