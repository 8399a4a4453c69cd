"""Where the store has the network of a record: records name results by their digest, the store by what they were made from."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.stages import MASKS, WEIGHTS
from benchbase.flow.store import STAGE, Done, Store
from benchbase.flow.tools import Tools
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.record import Record


def made(store: Store, result: str) -> Done | None:
    """The first finished stage of the store whose weights have this digest."""
    for path in sorted(store.root.glob(f"[0-9a-f][0-9a-f]/*/{STAGE}")):
        try:
            named = result.encode() in path.read_bytes()
        except OSError:  # a run goes on beside this
            continue
        if named and (done := store.get(path.parent.name)) and done.digest == result and (done.folder / WEIGHTS).exists():
            return done
    return None


def network_of(record: Record, store: Store, tools: Tools) -> tuple[Any, Architecture, Path | None]:
    """The trained network of a record, in eval mode, its architecture, and where its masks are.

    Raises BenchError where the store has not got it, or has other weights under its name.
    """
    from benchbase.nets.weights import digest_of

    architecture = architecture_of(record.architecture.model_dump(mode="json"))
    final = _found(store, record.digests.final)
    model = tools.load(architecture, final.folder / WEIGHTS).eval()
    if digest_of(model.state_dict()) != record.digests.final:
        raise BenchError(f"the weights in {final.folder} are not those that were written",
                         "`bench store verify` sets them aside; then run the cell again")
    masks = _found(store, record.digests.pruned).folder / MASKS if architecture.masks else None
    return model, architecture, masks


def _found(store: Store, result: str) -> Done:
    done = made(store, result)
    if done is None:
        raise BenchError(f"the weights of this record ({result[:12]}) are not in the store {store.root}",
                         "name the store that it was run with by --store, or run its cell again with `bench run`")
    return done
