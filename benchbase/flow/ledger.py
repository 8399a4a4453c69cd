"""What a row cost, phase by phase, and which rule set its budget (gates 3 and 4)."""
from __future__ import annotations

from typing import Any

from benchbase.flow.experiment import Outcome, Ready
from benchbase.flow.store import Done
from benchbase.values.cost import TRAIN_FACTOR

NOTHING = {"epochs": 0, "images": 0, "macs": 0, "seconds": 0.0}


def ledger(outcome: Outcome) -> dict[str, Any]:
    """The ledger of a row, from what its stages tell.

    A network trained from fresh weights owes nothing to pretraining and pruning where its architecture was known before them. Where a
    method found the architecture, they are part of its cost. Rewound weights are the base's own on its way: they cost nothing beside it.
    Multiply-adds of masked networks are those with weights that stay.
    """
    ready, protocol = outcome.ready, outcome.protocol
    owes = protocol.start in ("inherited", "rewound") or (protocol.start == "fresh" and ready.target.architecture is None)
    macs = ready.target.dense.macs if protocol.start == "unpruned" else ready.cost.macs_nonzero
    return {"pretrain": training(ready.base.own, ready.target.dense.macs) if owes else NOTHING,
            "prune": pruning(ready) if owes else NOTHING,
            "retrain": NOTHING if outcome.final is ready.pruned else training(outcome.final, macs), "formula": formula(outcome)}


def training(done: Done, macs: int) -> dict[str, Any]:
    """What a training cost. macs: of the trained network, one forward pass on one image."""
    info = done.info
    return {"epochs": info["epochs"], "images": info["images"], "macs": TRAIN_FACTOR * info["images"] * macs, "seconds": info["seconds"]}


def pruning(ready: Ready) -> dict[str, Any]:
    """What pruning cost: calibration images through the dense network, the trainings inside the method, and the bases that it tried
    besides the one in "pretrain"."""
    bases, choices = [trial.own for trial in ready.others], [ready.pruned, *(trial.pruned for trial in ready.others if trial.pruned)]
    return {"epochs": sum(base.info["epochs"] for base in bases) + sum(done.info["tuned"]["epochs"] for done in choices),
            "images": sum(base.info["images"] for base in bases) + sum(done.info["images"] + done.info["tuned"]["images"] for done in choices),
            "macs": ready.pruning_macs, "seconds": sum(base.info["seconds"] for base in bases) + sum(done.seconds for done in choices)}


def formula(outcome: Outcome) -> str:
    """The protocol's rule, and the values of what it names."""
    ready, rule = outcome.ready, outcome.protocol.formula
    work = ready.cell.work
    values = {"K1": work.recipe.epochs, "K2": work.finetune.epochs, "F1/F2": f"{ready.ratio:.6g}", "pruning": f"{ready.pruning_macs} multiply-adds"}
    said = [f"{name} = {value}" for name, value in values.items() if name in rule]
    if ready.masked and "F1/F2" in rule:
        said.append("counting weights that stay")
    if ready.cell.method.untrained and outcome.protocol.charges_pruning:
        said.append("less K1 * F1/F2, since the base is not trained")
    return "; ".join([rule, ", ".join(said)] if said else [rule])
