"""Rows at operating points: so many times smaller."""
from __future__ import annotations

from factory import DENSE, record, sweep

from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget


def at(factor, right=850, seeds=3, **said):
    """A row of so many times fewer multiply-adds."""
    size = {f"metrics__{name}": DENSE[name] // factor for name in ("macs", "macs_nonzero")}
    return sweep({"finetune": [right + s for s in range(seeds)]}, budget=Budget(macs=1 - 1 / factor), **size, **said)


def masked(factor, **said):
    """A row of masks with so many times fewer weights that are not zero."""
    blank = {"architecture__masks": "0" * 64, "architecture__shapes": {}, "architecture__widths": {}, "kept": {}}
    digest = Architecture("vgg-digits", 10, (1, 8, 8), masks="0" * 64).digest
    return [record(method="magnitude", budget=Budget(ratio=1 - 1 / factor), metrics__params=DENSE["params"], metrics__macs=DENSE["macs"],
                   metrics__nonzero=DENSE["params"] // factor, metrics__macs_nonzero=DENSE["macs"] // factor, digests__architecture=digest,
                   seed=s, **blank, **said) for s in range(3)]
