"""What one record must satisfy by itself: each check says in words what is wrong, and the gate that it guards."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from benchbase.board.finding import Finding
from benchbase.board.survey import Item
from benchbase.values.cost import TRAIN_FACTOR

if TYPE_CHECKING:
    from benchbase.values.record import Record

Why = Iterator[tuple[str, str]]  # (reason, what to do)
RERUN = "run the cell again with `bench run`; records are not edited"
ROUNDED = 2e-6  # of shares, which records hold with six digits
GREW = 0.02  # of all weights: as many of those that a mask leaves may be zero by chance
LOGITS = 1e-2  # between the zeroed and the sliced network
INHERITED = ("one-shot", "finetune", "finetune-matched")
MANY_CLASSES = 100
LEAST_MACS = 0.9  # of what images and network imply: weights that became zero in training are counted in one place only


def checked(item: Item, now: datetime | None = None) -> list[Finding]:
    """What is wrong with a record or failure by itself. now: the present; a record from the future is none."""
    from benchbase.values.record import Record

    checks: list[Callable[..., Why]] = [_place, _dated]
    found = [why for check in checks for why in (check(item, now or datetime.now(timezone.utc)) if check is _dated else check(item))]
    if isinstance(item.value, Record):
        found += [why for check in RECORD for why in check(item.value)]
    return [Finding(item.file, reason, todo) for reason, todo in found]


def _place(item: Item) -> Why:
    """The path says what the content says, the key is that of what was asked."""
    from benchbase.values.record import Failure, key_of, path_of

    value, at = item.value, PurePosixPath(item.file)
    if value.key != at.name.partition(".")[0] or path_of(value).parent.as_posix() != item.folder:
        yield f"lies in the wrong place: its content belongs to {path_of(value).as_posix()}", f"move it to {path_of(value).as_posix()}, unchanged"
    if at.parts[0] != f"v{value.protocol_version}":
        yield f"is of protocol version {value.protocol_version} and lies under {at.parts[0]}", f"move it to v{value.protocol_version}"
    if isinstance(value, Failure) and value.key != key_of(**{name: getattr(value, name) for name in type(value).model_fields}):
        yield "key is not the digest of what was asked", RERUN


def _dated(item: Item, now: datetime) -> Why:
    """A date that there is, and that has come."""
    if not item.value.started:
        return
    try:
        started = datetime.fromisoformat(item.value.started.replace("Z", "+00:00"))
    except ValueError:
        yield f"started: {item.value.started} is no date", RERUN
        return
    if started.tzinfo is None or started > now + timedelta(days=1):
        yield f"started: {item.value.started} has not come yet", "set the clock of the machine that ran it, and run the cell again"


def contradictions(record: Record) -> Why:
    """Key, bits, digest of the architecture, sizes: what `bench run` itself checks before it writes (gates 8, 14, 19)."""
    from benchbase.values.record import consistent

    yield from ((why, RERUN) for why in consistent(record))


def budget(record: Record) -> Why:
    """Asked is what the key is made of; achieved follows from the counts (gates 6 and 8)."""
    if record.asked != record.budget:
        yield "asked is not the budget of the record", RERUN
    dense, masked = record.protocol.startswith("unpruned"), bool(record.architecture.masks)
    for name, whole in (("params", "params"), ("macs", "macs"), *((("nonzero", "params"), ("macs_nonzero", "macs")) if masked else ())):
        said, removed = record.achieved.get(name), 0.0 if dense else 1 - getattr(record.metrics, name) / max(getattr(record.unpruned, whole), 1)
        if said is not None and abs(said - removed) > (GREW if name != whole else ROUNDED):
            yield f"achieved.{name} is {said}, the counts say {removed:.6f}", RERUN
    for name, share in record.achieved.items():
        if not -1e-9 <= share <= 1 + 1e-9:
            yield f"achieved.{name} is {share}, which is no share", RERUN


def kept(record: Record) -> Why:
    """Kept indices are those of the architecture; a layer pruned to nothing is none (gates 13 and 14)."""
    if isinstance(record.kept, Mapping):
        for name, indices in record.kept.items():
            if any(a >= b for a, b in pairwise(indices)):
                yield f"kept.{name} is not ascending", RERUN
            if not indices and name not in record.architecture.dropped:
                yield f"kept.{name} is empty: a layer pruned to nothing", "budgets leave at least one channel, or name the layer as rescued"
            if name in record.architecture.widths and record.architecture.widths[name] != len(indices):
                yield f"kept.{name} has {len(indices)} channels, the architecture {record.architecture.widths[name]}", RERUN


def network(record: Record) -> Why:
    """Zeroed and sliced networks agree (gate 13); masks are where weights are zero."""
    m, dense = record.metrics, record.protocol.startswith("unpruned")
    if not dense and m.equivalence is None:
        yield "metrics.equivalence is missing: nobody compared the zeroed with the sliced network", RERUN
    if m.equivalence is not None and m.equivalence > LOGITS:
        yield (f"metrics.equivalence is {m.equivalence:g}: the sliced network is not the zeroed one",
               "this is a bug of the harness or of a plugin: please report it")
    if record.architecture.masks and m.nonzero >= m.params:
        yield "the network is masked and has no zero weight", RERUN
    if dense and (record.kept or record.architecture.shapes or record.architecture.masks):
        yield "a dense control holds a pruned network", RERUN


def measured(record: Record) -> Why:
    """Both one-shot accuracies and their calibration set (gate 12); top-5 where there are 100 classes (gate 18)."""
    m = record.metrics
    if record.protocol == "one-shot":
        needed = {"metrics.top1_bn": m.top1_bn, "metrics.loss_bn": m.loss_bn, "digests.calibration": record.digests.calibration}
        lacking = [name for name, value in needed.items() if value is None]
        if lacking:
            yield f"one-shot without {lacking[0]}: batch-norm statistics were not recomputed", RERUN
    elif m.top1_bn is not None:
        yield "batch-norm statistics recomputed after training have no place in a row", RERUN
    if record.architecture.num_classes >= MANY_CLASSES and m.top5 is None:
        yield f"metrics.top5 is missing, with {record.architecture.num_classes} classes", RERUN


def timed(record: Record) -> Why:
    """A latency is measured in pairs, pruned and dense in turn, never derived (gate 9)."""
    ratio, m, base = record.metrics.latency_ratio, record.metrics, record.unpruned
    if ratio is None:
        return
    if record.protocol.startswith("unpruned"):
        yield f"metrics.latency_ratio is {ratio:g} for a dense control, which has no pair", RERUN
    derived = {"multiply-adds": (m.macs, base.macs), "nonzero multiply-adds": (m.macs_nonzero, base.macs_nonzero), "parameters": (m.params, base.params)}
    for what, (left, whole) in derived.items():
        if whole and abs(ratio - left / whole) < ROUNDED:
            yield f"metrics.latency_ratio is the ratio of {what}: it was derived, not measured", "measure pruned and dense networks in turn, or leave it null"
            return


def trained(record: Record) -> Why:
    """The ledger is whole and fits the recipe: what was trained, for how long (gates 3, 4 and 10)."""
    spent, m = record.ledger, record.metrics
    for name in ("pretrain", "prune", "retrain"):
        phase = getattr(spent, name)
        if (phase.epochs > 0) != (phase.images > 0) and not (name == "prune" and phase.images):
            yield f"ledger.{name} has {phase.epochs:g} epochs and {phase.images} images", RERUN
        if phase.images and not phase.macs:
            yield f"ledger.{name} has {phase.images} images and no multiply-adds", RERUN
    if spent.retrain.epochs != m.epochs:
        yield f"ledger.retrain has {spent.retrain.epochs:g} epochs, metrics.epochs is {m.epochs}", RERUN
    if spent.retrain.macs < LEAST_MACS * TRAIN_FACTOR * spent.retrain.images * m.macs_nonzero:
        yield "ledger.retrain has fewer multiply-adds than its images take", RERUN
    expected = epochs_of(record)
    if expected is not None and abs(m.epochs - expected) > (1 if record.scratch_epochs else 0):
        yield f"{record.protocol} was trained for {m.epochs} epochs, its rule says {expected}", RERUN
    owes = record.protocol in INHERITED and record.digests.base == record.digests.plain
    if owes and spent.pretrain.epochs != record.recipe.get("epochs"):
        yield f"ledger.pretrain has {spent.pretrain.epochs:g} epochs, the base's recipe {record.recipe.get('epochs')}", RERUN


def epochs_of(record: Record) -> int | None:
    """The epochs that the paper's protocols prescribe: K1 of the base's recipe, K2 of fine-tuning, int(K1 x F1/F2) of scratch-b.
    None for other protocols."""
    base, tuned, factor = record.recipe.get("epochs"), record.finetune_recipe.get("epochs"), record.scratch_epochs and record.scratch_epochs.ratio
    rules = {"one-shot": 0, "finetune": tuned, "finetune-matched": base, "scratch-e": base,
             "scratch-b": int(base * factor) if base and factor else None}
    return rules.get(record.protocol)


def fresh(record: Record) -> Why:
    """Scratch networks start afresh and say what their epochs follow from (gates 4 and 11)."""
    if not record.protocol.startswith("scratch"):
        return
    if record.digests.final in (record.digests.plain, record.digests.base, record.digests.pruned):
        yield "a scratch network has the digest of an inherited one: it was not trained afresh", RERUN
    left, whole = record.metrics.macs_nonzero, record.unpruned.macs_nonzero
    ratio = record.scratch_epochs.ratio if record.scratch_epochs else None
    if ratio is None:
        yield "scratch_epochs is missing: what the epochs follow from", RERUN
    elif left and abs(ratio * left / whole - 1) > (0.05 if record.architecture.masks else 0.005):
        yield f"scratch_epochs.ratio is {ratio:g}, the counts say {whole / left:g}", RERUN


def origin(record: Record) -> Why:
    """What made it is stored (gate 14)."""
    lacking = [f"versions.{name}" for name in ("benchbase", "torch") if name not in record.versions] + ["device.type"] * ("type" not in record.device)
    if lacking:
        yield f"{lacking[0]} is missing: nobody can tell what made it", RERUN
    if record.method.distribution is None and not record.method.source:
        yield "the method comes from no package and no file", "publish the method as a package, and run the cell again"


RECORD: tuple[Callable[[Record], Why], ...] = (contradictions, budget, kept, network, measured, timed, trained, fresh, origin)
