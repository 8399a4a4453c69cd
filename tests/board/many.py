"""Boards of any size, whose records agree with each other as those of real sweeps do."""
from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import count, islice, product
from pathlib import Path
from typing import Any

from factory import BASE, DENSE, TUNE, bits, record_data, sha

from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget
from benchbase.values.cost import TRAIN_FACTOR
from benchbase.values.record import Failure, Record, path_of, record_of, to_text

TRAIN, TEST, WIDTH = 899, 898, 64
WIDTHS = {0.25: 48, 0.375: 40, 0.5: 32, 0.75: 16, 0.875: 8}
METHODS = ("l1-norm", "thinet", "network-slimming", "regression", "sss", "soft-filter", "random", "uniform", "taylor", "hrank")
PROTOCOLS = ("one-shot", "finetune", "finetune-matched", "scratch-e", "scratch-b", "scratch-matched", "unpruned-long")
SEEDS = 5


def sound(*, dataset: str = "digits", model: str = "vgg-digits", method: str = "l1-norm", ratio: float = 0.5, protocol: str = "finetune",
          seed: int = 0, right: int | None = None, **changes: Any) -> Record:
    """A record in which every number follows from the others; `changes` as in `factory.record_data`."""
    return record_of(sound_data(dataset=dataset, model=model, method=method, ratio=ratio, protocol=protocol, seed=seed, right=right, **changes))


def sound_data(*, dataset: str = "digits", model: str = "vgg-digits", method: str = "l1-norm", ratio: float = 0.5, protocol: str = "finetune",
               seed: int = 0, right: int | None = None, **changes: Any) -> dict[str, Any]:
    """The plain data of `sound`. Dense controls and fresh trainings of one architecture are the same runs in every row."""
    dense, fresh = protocol.startswith("unpruned"), protocol.startswith("scratch")
    width = WIDTH if dense else WIDTHS[ratio]
    run = (dataset, model, protocol, width, seed) if dense or fresh else (dataset, model, protocol, width, seed, method)
    chance = random.Random(sha(run))
    right = chance.randint(820, 870) - (200 if protocol == "one-shot" else 0) if right is None else right
    plain = random.Random(sha(dataset, model, seed)).randint(850, 880)
    size = {name: value * width // WIDTH for name, value in DENSE.items()}
    epochs = {"one-shot": 0, "finetune": TUNE.epochs, "scratch-b": BASE.epochs * WIDTH // width, "finetune-matched": BASE.epochs,
              "scratch-matched": BASE.epochs * WIDTH // width + BASE.epochs, "unpruned-long": 300}.get(protocol, BASE.epochs)
    shrunk: dict[str, Any] = {} if dense else {"shapes": {"conv1.weight": (width, 1, 3, 3)}, "widths": {"conv1": width}}
    architecture = Architecture(model, 10, (1, 8, 8), **shrunk)
    base = sha("plain", dataset, model, seed)
    digests = {"plain": base, "base": base, "pruned": sha("pruned", dataset, method, seed, width, model), "architecture": architecture.digest,
               "calibration": sha("calibration", dataset) if protocol == "one-shot" else None}
    final = digests["pruned"] if protocol == "one-shot" else sha("final", *run)
    data = record_data(dataset=dataset, model=model, method=method, protocol=protocol, seed=seed, budget=Budget(ratio=ratio), right=right, n=TEST,
                       recipe=BASE, finetune=TUNE)
    data |= {"architecture": architecture.to_json(), "kept": {} if dense else {"conv1": list(range(width))},
             "scratch_epochs": {**data["scratch_epochs"], "ratio": WIDTH / width} if fresh else None,
             "metrics": {**data["metrics"], **size, "top1": 100 * right / TEST, "epochs": epochs},
             "correct": bits(right, TEST, chance.getrandbits(32)),
             "achieved": {"channels": 1 - width / WIDTH, **{k: 1 - v / DENSE[k] for k, v in size.items()}},
             "unpruned": {"top1": 100 * plain / TEST, "top5": 100.0, "loss": 0.2, **DENSE}, "digests": {**digests, "final": final},
             "ledger": {"pretrain": phase(0 if dense or fresh else BASE.epochs, DENSE["macs"]), "prune": phase(0, 0),
                        "retrain": phase(epochs, size["macs"]), "formula": "K2"}}
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        data[outer] = {**data[outer], inner: value} if inner else value
    return data


def phase(epochs: int, macs: int) -> dict[str, Any]:
    """What training a network of so many multiply-adds for some epochs costs."""
    return {"epochs": epochs, "images": epochs * TRAIN, "macs": TRAIN_FACTOR * epochs * TRAIN * macs, "seconds": 0.5 * epochs}


def many(number: int, protocols: tuple[str, ...] = PROTOCOLS) -> Iterator[Record]:
    """So many records: whole rows of every method at every budget, model after model."""
    models = (f"net{i}" for i in count())
    cells = ((model, *cell) for model in models for cell in product(METHODS, WIDTHS, protocols, range(SEEDS)))
    for model, method, ratio, protocol, seed in islice(cells, number):
        yield sound(model=model, method=method, ratio=ratio, protocol=protocol, seed=seed)


def fill(folder: Path, items: Iterable[Record | Failure]) -> Path:
    """Write records and failures to their places below folder/v1, without the care that a board of value takes; the folder."""
    made: set[Path] = set()
    for item in items:
        path = folder / "v1" / path_of(item)
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_text(to_text(item), encoding="utf-8")
    return folder


def renamed(item: Record, **changes: Any) -> Record:
    """The record with some of its own fields replaced, its key computed anew."""
    from benchbase.values.record import key_of

    data = {**item.model_dump(mode="json", by_alias=True), **changes}
    return record_of({**data, "key": key_of(**data)})
