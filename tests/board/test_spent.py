from __future__ import annotations

from factory import record, sha

from benchbase.board.table import tables


def spent(records):
    (table,) = tables(records)
    return {s.phase: s for s in table.ledger}


def test_bases_choices_and_final_trainings_count_once():
    shared = sha("scratch")
    finals = {"finetune": None, "scratch-e": shared}
    got = spent([record(method=m, protocol=p, final=final) for m in ("a", "b") for p, final in finals.items()])
    assert (got["pretrain"].runs, got["prune"].runs, got["retrain"].runs) == (1, 2, 3)
    assert got["pretrain"].macs == 10**11 and got["retrain"].macs == 3 * 10**10 and got["retrain"].epochs == 8 + 8 + 30
    assert got["prune"].seconds == 0.2 and got["retrain"].images == 3 * 7192


def test_records_that_owe_nothing_do_not_hide_what_others_owe():
    free = {"epochs": 0, "images": 0, "macs": 0, "seconds": 0.0}
    got = spent([record(protocol="scratch-e", ledger__pretrain=free, ledger__prune=free), record(protocol="finetune")])
    assert got["pretrain"].macs == 10**11 and got["prune"].runs == 1
    assert spent([record(ledger__prune=free)])["prune"].runs == 0
