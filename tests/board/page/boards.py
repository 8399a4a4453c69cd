"""A board with everything that the page can show: verdicts of every word, controls, masks, shared runs, failures, digits."""
from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

from factory import DENSE, bits, failure, record, sha

from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget
from benchbase.values.record import Failure, Record

IMAGES, SEEDS = 1000, 5
LAYERS = {f"layer{i}.conv{j}": 16 * 2 ** (i - 1) for i in (1, 2, 3) for j in (1, 2, 3)}
LEFT = {0.5: 2, 0.75: 4, 0.875: 8}  # budget -> dense over pruned
# Method -> points of fine-tuning and of matched fine-tuning over matched scratch.
METHODS = {"l1-norm": (-1.0, 0.05), "thinet": (-0.6, 1.6), "network-slimming": (-0.4, 0.0), "random": (-2.0, -1.5), "uniform": (-1.4, 0.2),
           "magnitude": (0.5, 0.9)}
MASKED = ("magnitude",)


def demo(dataset: str = "cifar10-jpeg", model: str = "resnet20", methods: tuple[str, ...] = tuple(METHODS)) -> Iterator[Record]:
    """Six methods at three budgets, five seeds, all protocols; one of them with masks."""
    for method, (share, factor), seed in product(methods, LEFT.items(), range(SEEDS)):
        tuned, gap = METHODS[method]
        noise = random.Random(sha(dataset, model, method, share, seed))
        scratch = 91.0 - 1.2 * factor ** 0.7 + random.Random(sha(dataset, share, seed)).gauss(0, 0.15)
        spread = 0.9 if method == "uniform" and share > 0.8 else 0.05
        top = {"finetune-matched": scratch + gap + noise.gauss(0, spread), "scratch-matched": scratch, "scratch-b": scratch - 0.4,
               "scratch-e": scratch - 1.5, "finetune": scratch + tuned + noise.gauss(0, 0.2), "one-shot": 15.0}
        for protocol, percent in top.items():
            yield cell(dataset, model, method, share, factor, protocol, seed, percent, fresh=protocol.startswith("scratch") and method not in MASKED)
        yield cell(dataset, model, method, share, 1, "unpruned-long", seed, 91.3)


def cell(dataset: str, model: str, method: str, share: float, factor: int, protocol: str, seed: int, percent: float, fresh: bool = False,
         **changes: object) -> Record:
    """One record. Fresh trainings are shared by all methods of a budget."""
    right, dense = round(percent * IMAGES / 100), factor == 1
    masked = method in MASKED and not dense
    widths = {} if dense or masked else {name: max(1, width // factor if name.endswith("1") else width * 3 // 4) for name, width in LAYERS.items()}
    shapes = {f"{name}.weight": (width, 3, 3, 3) for name, width in widths.items()}
    architecture = Architecture(model, 10, (3, 32, 32), shapes=shapes, widths=widths, masks=sha(method, share, seed) if masked else "")
    kept = {name: [*range(width - 1), LAYERS[name] - 1] for name, width in widths.items()}
    size = {name: value // (1 if masked and "nonzero" not in name else factor) for name, value in DENSE.items()}
    final = sha(dataset, model, protocol, share, seed) if fresh or dense else sha(dataset, model, protocol, method, share, seed)
    return record(dataset=dataset, model=model, method=method, budget=Budget(macs=share, name=f"macs={share:g}"), protocol=protocol, seed=seed,
                  right=right,
                  n=IMAGES, base_right=912, final=final, **{
                      "architecture": architecture.to_json(), "digests__architecture": architecture.digest, "kept": kept,
                      "correct": bits(right, IMAGES, seed), "metrics__params": size["params"], "metrics__macs": size["macs"],
                      "metrics__nonzero": size["nonzero"], "metrics__macs_nonzero": size["macs_nonzero"], "digests__plain": sha(dataset, model, seed),
                      "achieved": {"weights" if masked else "channels": 1 - 1 / factor, **{name: 1 - size[name] / DENSE[name] for name in DENSE}},
                      **changes})


def failures() -> list[Failure]:
    """A seed that diverged, and a method that does not apply."""
    return [failure(dataset="cifar10-jpeg", model="resnet20", method="sss", protocol="", kind="not_applicable",
                    budget=Budget(macs=0.5, name="macs=0.5"))]
