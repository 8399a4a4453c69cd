"""Records held against the networks that they tell of: each distinct architecture is rebuilt once, its parameters and multiply-adds recounted."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchbase.errors import BenchError
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.cost import Cost
from benchbase.values.record import Record


@dataclass(frozen=True)
class Mismatch:
    """index: of the record.  known: False where the network cannot be made here, so that nothing is said against the record."""

    index: int
    reason: str
    todo: str
    known: bool = True


def recount(records: Sequence[Record], tools: Any, tell: Callable[[int, int], None] = lambda done, of: None) -> Iterator[Mismatch]:
    """What the networks contradict in records. tools: makes and traces networks.  tell: hears how many of the architectures are behind."""
    shapes: dict[str, Architecture] = {}
    wanted: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        shape = architecture_of(record.architecture.model_dump(mode="json"))
        shapes.setdefault(shape.digest, shape)
        wanted.setdefault(shape.digest, []).append(i)
    for done, (digest, shape) in enumerate(shapes.items()):
        tell(done, len(shapes))
        yield from _one(shape, [(i, records[i]) for i in wanted[digest]], tools)


def _one(shape: Architecture, records: Sequence[tuple[int, Record]], tools: Any) -> Iterator[Mismatch]:
    dense = Architecture(shape.model, shape.num_classes, shape.shape)
    try:
        counted, whole = _count(shape, dense, tools), _count(dense, dense, tools)
    except BenchError as error:
        yield from (Mismatch(i, f"unverifiable: {error.what}", error.todo or "install what makes this network", known=False) for i, _ in records)
        return
    for i, record in records:
        for name, said, found in (("metrics", record.metrics, counted), ("unpruned", record.unpruned, whole)):
            for what in ("params", "macs"):
                if getattr(said, what) != getattr(found, what):
                    yield Mismatch(i, f"{name}.{what} is {getattr(said, what):,}, the network has {getattr(found, what):,}",
                                   "run the cell again with `bench run`; records are not edited")


def _count(shape: Architecture, dense: Architecture, tools: Any) -> Cost:
    """The cost of an architecture: the entries of its own tensors, at the positions where the dense network applies them."""
    from benchbase.nets.cost import cost

    try:
        _, trace = tools.traced(dense)
        model, _ = tools.fresh(replace(shape, masks=""), seed=0)
    except BenchError:
        raise
    except Exception as error:  # noqa: BLE001 -- a model of a plugin may raise anything
        raise BenchError(f"{shape.model} cannot be made: {type(error).__name__}", "install the version that the record names") from None
    return cost(trace, dict(model.named_parameters()))
