"""Records name results by digest; the store finds them."""
from __future__ import annotations

import pytest

from benchbase import BenchError
from benchbase.flow.made import made, network_of
from benchbase.flow.run import run_suite
from benchbase.flow.store import Store
from benchbase.flow.tools import Tools
from benchbase.nets.weights import digest_of
from benchbase.plugin.manager import load_plugins
from benchbase.training.machine import Machine
from benchbase.values.record import read


def test_every_record_s_network_is_found(tiny, settings, tmp_path):
    here = settings()
    sweep = run_suite(tiny(methods=("magnitude",), protocols=("one-shot", "scratch-e")), here)
    store, tools = Store(here.store), Tools(load_plugins(), Machine(), here.data)
    for path in sweep.records:
        record = read(path)
        net, architecture, masks = network_of(record, store, tools)
        assert digest_of(net.state_dict()) == record.digests.final and architecture.digest == record.digests.architecture
        assert masks is not None and masks.is_file() and not net.training
        assert made(store, record.digests.pruned).kind == "prune" and made(store, record.digests.plain).kind == "train"
    assert made(store, "0" * 64) is None and made(store, record.digests.architecture) is None  # named in stages, and made by none
    with pytest.raises(BenchError, match="not in the store"):
        network_of(record, Store(tmp_path / "empty"), tools)
    (made(store, record.digests.final).folder / "weights.safetensors").unlink()
    with pytest.raises(BenchError, match="not in the store"):
        network_of(record, store, tools)
