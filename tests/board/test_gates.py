"""One record, or as few as say it, for each gate that records can fail: it fails that gate, and no other."""
from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from factory import BASE, bits, sha
from many import sound, sound_data

from benchbase.board.checks import checked
from benchbase.board.survey import Item
from benchbase.board.table import tables
from benchbase.board.together import agreed
from benchbase.values.architecture import architecture_of
from benchbase.values.record import Record, path_of, record_of

PROTOCOLS = ("one-shot", "finetune", "finetune-matched", "scratch-e", "scratch-b", "scratch-matched", "unpruned-long")
RIGHT = {"one-shot": 600, "finetune": 840, "finetune-matched": 855, "scratch-e": 845, "scratch-b": 850, "scratch-matched": 855, "unpruned-long": 860}
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
Key = tuple[str, int]


def one(protocol: str, seed: int, **changes) -> Record:
    said = {"right": RIGHT[protocol] + seed, "unpruned__top1": 100 * 870 / 898}
    return sound(protocol=protocol, seed=seed, **{**said, **changes})


def row(seeds=range(5), protocols=PROTOCOLS, **changes) -> dict[Key, Record]:
    """A row, and beside it one-shot networks of random channels with its widths."""
    return {(p, s): one(p, s, **changes) for p in protocols for s in seeds} | {("random", s): one("one-shot", s, method="random", **changes) for s in seeds}


def said(records: dict[Key, Record]) -> list[str]:
    """All that is said against them: findings of `verify`, flags, why there is no verdict, tiers, more tables than one."""
    items = [Item(f"v1/{path_of(r).as_posix()}", r, 0, b"") for r in records.values()]
    found = [f.reason for item in items for f in checked(item, NOW)] + [f.reason for f in agreed(items)]
    made = tables(records.values())
    rows = [r for table in made for r in table.rows]
    found += [flag for table in made for flag in table.flags] + [flag for r in rows for flag in r.flags]
    found += [f"no verdict: {reason}" for r in rows if r.gaps for reason in r.verdict.reasons]
    found += [f"tier: {r.tier.word}" for r in rows if r.tier.word != "re-scored"]
    return found + [f"{len(made)} tables"] * (len(made) > 1)


def swap(protocol: str = "finetune", seed: int = 0, **changes) -> Callable[[], dict[Key, Record]]:
    return lambda: {**row(), (protocol, seed): one(protocol, seed, **changes)}


def hundred_classes() -> dict[Key, Record]:
    """All of 100 classes, one of them without top-5."""
    found = {}
    for protocol, seed in row():
        one_shot = protocol == "random"
        data = sound_data(protocol="one-shot" if one_shot else protocol, method="random" if one_shot else "l1-norm", seed=seed,
                          right=RIGHT["one-shot" if one_shot else protocol] + seed, unpruned__top1=100 * 870 / 898, architecture__num_classes=100)
        data["digests"]["architecture"] = architecture_of(data["architecture"]).digest
        if (protocol, seed) == ("finetune", 0):
            data["metrics"]["top5"] = None
        found[protocol, seed] = record_of(data)
    return found


GATES: dict[int, tuple[Callable[[], dict[Key, Record]], tuple[str, ...]]] = {
    1: (swap(digests__plain=sha("another"), digests__base=sha("another")), ("several bases", "no pairs")),
    2: (swap("scratch-e", recipe=BASE.__class__(**{**vars(BASE), "lr": 0.2})), ("2 tables", "lacks seed", "no other choice")),
    3: (swap(ledger__pretrain={"epochs": 0, "images": 0, "macs": 0, "seconds": 0}), ("ledger.pretrain has 0 epochs, the base's recipe 30",)),
    4: (lambda: {**row(), **{("scratch-matched", s): one("scratch-matched", s, ledger__retrain={"epochs": 90, "images": 90 * 899,
        "macs": 3 * 90 * 899 * 2_000_000, "seconds": 1}) for s in range(5)}}, ("unequal compute",)),
    5: (lambda: {**row(), **{("unpruned-long", s): one("unpruned-long", s, right=885 + s) for s in range(5)}}, ("base not converged",)),
    6: (swap(achieved={"channels": 0.6, "params": 0.5, "macs": 0.5}), ("asked to remove 50.0% of channels",)),
    7: (lambda: {key: r for key, r in row().items() if key[0] != "random"}, ("no other choice at the same widths beside l1-norm 0.5",)),
    8: (swap(achieved={"channels": 0.5, "params": 0.5, "macs": 0.6}), ("achieved.macs is 0.6",)),
    9: (swap(metrics__latency_ratio=0.5), ("it was derived, not measured",)),
    10: (swap(test_images=800, correct=bits(750, 800), metrics__top1=93.75), ("test_images is 800",)),
    11: (swap("scratch-e", right=870, digests__final=sha("plain", "digits", "vgg-digits", 0)), ("not trained afresh",)),
    12: (swap("one-shot", digests__calibration=sha("other images")), ("several calibration sets",)),
    13: (swap(metrics__equivalence=0.5), ("the sliced network is not the zeroed one",)),
    14: (swap(kept={"conv1": list(range(31))}), ("kept.conv1 has 31 channels",)),
    15: (lambda: row(seeds=(0, 1, 2, 3, 4, 6)), ("seeds 0-4, 6 are not 0 to 5", "seeds have gaps")),
    16: (lambda: row(seeds=range(4)), ("no verdict: 4 of 5 seeds",)),
    17: (swap("scratch-b", shared_with=[one("scratch-e", 0).key]), ("whose final network is another",)),
    18: (hundred_classes, ("metrics.top5 is missing",)),
    19: (swap(metrics__top1=99.0), ("the bits say", "tier: self-reported")),
}


def test_the_sound_row_fails_no_gate():
    assert said(row()) == [] and tables(row().values())[0].rows[0].verdict.word == "architecture is enough"


@pytest.mark.parametrize("gate", GATES)
def test_a_record_that_fails_one_gate_fails_only_that(gate):
    make, reasons = GATES[gate]
    found = said(make())
    assert found and all(any(reason in text for reason in reasons) for text in found), found
    assert any(reasons[0] in text for text in found), found
