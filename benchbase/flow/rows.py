"""From a finished protocol of a cell to its record, and from a failure to its record. Everything a number must carry (gates 3 to 14)."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.cells import Cell
from benchbase.flow.environment import made_with
from benchbase.flow.experiment import Outcome
from benchbase.flow.ledger import ledger
from benchbase.flow.store import Done
from benchbase.plugin.names import params_of
from benchbase.values import record as records
from benchbase.values.digest import canonical, digest
from benchbase.values.protocol import Protocol

LARGE = 20_000  # kept indices; above it a record holds their digest


def record_of(cell: Cell, outcome: Outcome, machine: Any, shared: Mapping[str, Iterable[str]], leaderboard: Path) -> Path:
    """Write the record of one protocol of `cell`, and return where it is.

    shared: key of a record -> keys of those whose final training is the same.  Raises BenchError where it cannot be written.
    """
    key = key_in(cell, outcome.protocol)
    data = {"key": key, **asked(cell), "protocol": outcome.protocol.name, **network(outcome), **provenance(outcome),
            "shared_with": sorted(shared.get(key, ())), "family": cell.family, "ledger": ledger(outcome), "precision": machine.precision, "threads": machine.threads,
            "started": now()}
    return records.write(records.record_of(data), leaderboard)


def failure_of(cell: Cell, error: BenchError, machine: Any, leaderboard: Path, protocol: Protocol | None = None) -> Path:
    """Write the record of a cell that failed, or does not apply; of one protocol of it, where the others could go on."""
    name = protocol.name if protocol else ""
    data = {"key": key_in(cell, protocol), **asked(cell), "protocol": name, "kind": error.kind, "message": str(error),
            "traceback": error.where, **made_with(machine), "started": now()}
    return records.write(records.failure_of(data), leaderboard)


def key_in(cell: Cell, protocol: Protocol | None) -> str:
    """The key of the record of `cell` under a protocol; None: of the cell as a whole, for failures."""
    return records.key_of(**asked(cell), protocol=protocol.name if protocol else "")


def asked(cell: Cell) -> dict[str, Any]:
    """What was asked: the fields of a record that its key is made of."""
    work, offer = cell.work, cell.offer
    method = {"name": cell.method.name, "version": cell.method.version, "params": canonical(params_of(cell.method)),
              "distribution": offer and offer.distribution, "distribution_version": offer and offer.version, "source": offer.source if offer else ""}
    return {"dataset": {"name": work.data.dataset.name, "fingerprint": work.data.fingerprint}, "model": work.model, "method": method,
            "budget": cell.budget, "seed": cell.seed, "recipe": work.recipe, "finetune_recipe": work.finetune}


def network(outcome: Outcome) -> dict[str, Any]:
    """What the row's network is and how good it is, beside the dense ones that it is held against."""
    ready, protocol, dense = outcome.ready, outcome.protocol, outcome.protocol.start == "unpruned"
    pruned, base, positions = ready.pruned.info, ready.base, ready.target.positions
    again = outcome.recalibrated.info if outcome.recalibrated else {}
    extra = {name: done.info["value"] for name, done in outcome.gauged.items() if isinstance(done, Done)}
    report, achieved = pruned["report"], pruned["report"]["achieved"]
    return {
        "scratch_epochs": None if protocol.start in ("inherited", "rewound") else {"formula": protocol.formula, "ratio": ready.ratio, "cap": protocol.cap},
        "architecture": outcome.architecture.to_json(), "kept": {} if dense else compact(pruned["kept"]),
        "metrics": {**measured(outcome.measured, positions), "epochs": outcome.recipe.epochs - outcome.since, "top1_bn": again.get("top1"),
                    "loss_bn": again.get("loss"), "extra": extra, "equivalence": None if dense else report["equivalence"]},
        "asked": ready.cell.budget.to_json(), "achieved": dict.fromkeys(achieved, 0.0) if dense else achieved,
        "rescued": [] if dense else report["rescued"], "guessed": outcome.final.info.get("guessed", []),
        "test_images": outcome.measured.info["images"], "correct": outcome.measured.info["correct"],
        "unpruned": measured(base.measured, positions),
        "sparse_base": measured(base.own_measured, positions) if base.own_measured else None,
        "digests": {"plain": base.plain.digest, "base": base.own.digest, "pruned": ready.pruned.digest, "final": outcome.final.digest,
                    "architecture": outcome.architecture.digest, "calibration": again.get("calibration")}}


def provenance(outcome: Outcome) -> dict[str, Any]:
    """What made the row, as its stages tell: a record out of the store names the machine that trained, not the one that reads."""
    ready, final = outcome.ready, outcome.final
    tried = [done for trial in ready.others for done in (trial.own, trial.pruned)]
    offer, stages = ready.cell.offer, [ready.base.own, ready.pruned, *tried, outcome.early, final, outcome.measured, outcome.recalibrated]
    plugin = {offer.distribution: offer.version} if offer and offer.distribution and offer.version else {}
    return {"memory_format": final.info.get("memory_format") or ready.base.own.info["memory_format"],
            "versions": {**plugin, **final.info["versions"]}, "device": final.info["device"],
            "seconds": round(sum({s.key: s.seconds for s in stages if s}.values()), 3)}


def measured(done: Done, positions: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """The metrics of one network: from a measure stage, which counts each parameter's entries, and the positions that weights are applied at."""
    info, params = done.info, done.info["params"]
    sizes = {name: count[0] for name, count in params.items()}
    nonzero = {name: count[1] for name, count in params.items()}
    macs, macs_nonzero = (sum(n * count[name] for name, n in positions if name in count) for count in (sizes, nonzero))
    return {"top1": info["top1"], "top5": info["top5"], "loss": info["loss"], "params": sum(sizes.values()), "macs": macs,
            "nonzero": sum(nonzero.values()), "macs_nonzero": macs_nonzero}


def compact(kept: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]] | str:
    """The kept indices, or their digest where they are many."""
    return dict(kept) if sum(map(len, kept.values())) <= LARGE else digest(kept)


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
