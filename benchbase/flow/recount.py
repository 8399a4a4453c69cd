"""Records held against the networks that they tell of: each distinct architecture is rebuilt once, its parameters and multiply-adds recounted."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from benchbase.board.finding import NOTE, Finding
from benchbase.board.survey import Item
from benchbase.errors import BenchError
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.cost import Cost
from benchbase.values.record import Record

RERUN = "run the cell again with `bench run`; records are not edited"


@dataclass(frozen=True)
class Recount:
    """Called with the files of a board, it tells what the networks contradict. tools: makes and traces networks.
    tell: hears of each architecture as it begins: (how many are behind, of how many)."""

    tools: Any
    tell: Any = lambda done, of: None

    def __call__(self, items: Iterable[Item]) -> Iterator[Finding]:
        """Findings for records whose counts are wrong; a note for a network that cannot be made here."""
        shapes: dict[str, Architecture] = {}
        wanted: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            if isinstance(item.value, Record):
                shape = architecture_of(item.value.architecture.model_dump(mode="json"))
                shapes.setdefault(shape.digest, shape)
                wanted[shape.digest].append(item)
        for i, digest in enumerate(shapes):
            self.tell(i, len(shapes))
            yield from self._one(shapes[digest], wanted[digest])

    def _one(self, shape: Architecture, items: list[Item]) -> Iterator[Finding]:
        dense = Architecture(shape.model, shape.num_classes, shape.shape)
        try:
            counted, whole = self._count(shape, dense), self._count(dense, dense)
        except BenchError as error:
            yield from (Finding(item.file, f"unverifiable: {error.what}", error.todo or "install what makes this network", NOTE) for item in items)
            return
        for item in items:
            for name, said, found in (("metrics", item.value.metrics, counted), ("unpruned", item.value.unpruned, whole)):
                for what in ("params", "macs"):
                    if getattr(said, what) != getattr(found, what):
                        yield Finding(item.file, f"{name}.{what} is {getattr(said, what):,}, the network has {getattr(found, what):,}", RERUN)

    def _count(self, shape: Architecture, dense: Architecture) -> Cost:
        """The cost of an architecture: entries of its own tensors, at the positions where the dense network applies them."""
        from benchbase.nets.cost import cost

        try:
            _, trace = self.tools.traced(dense)
            model, _ = self.tools.fresh(replace(shape, masks=""), seed=0)
        except BenchError:
            raise
        except Exception as error:  # noqa: BLE001 -- a model of a plugin may raise anything
            raise BenchError(f"{shape.model} cannot be made: {type(error).__name__}", "install the version that the record names") from None
        return cost(trace, dict(model.named_parameters()))
