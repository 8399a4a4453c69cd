"""Which pruned networks are timed, and against what: a latency depends on shapes alone, so that fresh weights do, and no store is needed."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow import stages
from benchbase.flow.cells import identified
from benchbase.flow.do import as_failure
from benchbase.flow.tools import Tools
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.budget import Budget
from benchbase.values.latency import Latency


@dataclass(frozen=True)
class Subject:
    """A network to be timed. name: what it is called in the table.  architecture: the pruned one, without masks.  alike: how many of those
    given have it."""

    name: str
    architecture: Architecture
    alike: int = 1

    @property
    def dense(self) -> Architecture:
        """The network that it was cut from."""
        return Architecture(self.architecture.model, self.architecture.num_classes, self.architecture.shape)


def in_path(path: Path) -> Iterator[Subject]:
    """The pruned folder at `path`, or every record in that file or below that folder. Raises BenchError for what is neither."""
    from benchbase.nets.folder import ARCHITECTURE, read_json
    from benchbase.values.record import load_records

    if (path / ARCHITECTURE).exists():
        yield Subject(path.name, architecture_of(read_json(path / ARCHITECTURE)))
        return
    for record in load_records(path):
        architecture = architecture_of(record.architecture.model_dump(mode="json"))
        yield Subject(f"{record.method.name} {record.budget.get('name', '')}, {record.model} on {record.dataset.name}", architecture)


def by_budget(tools: Tools, method: Any, budget: Budget, dense: Architecture, dataset: str) -> Subject:
    """What a budget makes of a network for a method whose target is predefined: known before anything is trained.

    Raises BenchError where the budget does not fit, or where what stays is known only after a training.
    """
    tools.code(dense)  # refuses a model that these classes and images do not fit
    _, info = stages.resolve.run(tools, Path(), architecture=dense, method=identified(method), budget=budget)
    if info["architecture"] is None:
        raise BenchError(f"what {method.name} leaves of {dense.model} at {budget.label} shows only once it has chosen",
                         "time its records, or the folder that `bench prune` writes")
    return Subject(f"{method.name} {budget.label}, {dense.model} on {dataset}", architecture_of(info["architecture"]))


def distinct(subjects: Iterable[Subject]) -> list[Subject]:
    """One subject for each architecture, under the name of the first. Dense controls and masked networks are left out: their shapes are the dense
    ones, and a zero takes as long as another number. Raises BenchError where nothing is left."""
    found: dict[str, Subject] = {}
    for one in subjects:
        architecture = replace(one.architecture, masks="")
        if not architecture.dense:
            seen = found.get(architecture.digest, Subject(one.name, architecture, 0))
            found[architecture.digest] = replace(seen, alike=seen.alike + 1)
    if not found:
        raise BenchError("there is no network here that is smaller than its dense one: a mask makes none faster",
                         "give records or folders of networks whose channels or blocks were removed")
    return list(found.values())


def timed(subject: Subject, tools: Tools, batches: Iterable[int], modes: Iterable[str], pairs: int) -> Iterator[Latency | BenchError]:
    """The latencies of a subject beside its dense network, modes in turn. Where torch.compile does not work there is one BenchError for the
    whole mode (kind "not_compiled"); any other is raised, and so is whatever a network's code raises."""
    from benchbase.training.latency import NOT_COMPILED, latency

    tools.code(subject.dense)
    dense, pruned = (tools.fresh(architecture, 0)[0] for architecture in (subject.dense, subject.architecture))
    for mode in modes:
        for batch in batches:
            try:
                yield latency(dense, pruned, subject.architecture.shape, tools.machine, batch, mode, pairs)
            except (Exception, SystemExit) as raised:
                error = as_failure(raised, subject.name)
                if error.kind != NOT_COMPILED:
                    raise error from raised
                yield error
                break
