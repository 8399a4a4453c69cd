from __future__ import annotations

import json

import pytest
from factory import bits, sha
from many import fill, renamed, sound

from benchbase.board.build import build
from benchbase.board.document import to_json
from benchbase.board.table import tables
from benchbase.board.tier import REPRODUCED, RESCORED, SELF, Tier, rescored, tiers_of

RECORDS = [sound(protocol=p, seed=s, right=850 + s) for p in ("finetune", "scratch-e") for s in range(3)]


def again(record, right=None, **changes):
    """The record as another machine ran it again."""
    more = {} if right is None else {"metrics__top1": 100 * right / 898, "correct": bits(right, 898, 1), "digests__final": sha("again", record.key)}
    data = record.model_dump(mode="json", by_alias=True)
    for name, value in {**more, "device": {"type": "cpu", "name": "another"}, "started": "2025-05-05T00:00:00Z", **changes}.items():
        outer, _, inner = name.partition("__")
        data[outer] = {**data[outer], inner: value} if inner else value
    return renamed(record, **data)


def tier(records, repeats=()):
    ((row,),) = [table.rows for table in tables(records, repeats=repeats)]
    return row.tier


def test_bits_that_say_the_accuracy_rescore_it():
    assert tier(RECORDS) == Tier(RESCORED, 0, 0, 6) and all(rescored(r) for r in RECORDS)


def test_bits_that_deny_it_leave_it_self_reported():
    lied = sound(seed=0, right=850, metrics__top1=99.0)
    assert not rescored(lied) and tier([lied, *RECORDS[1:]]).word == SELF
    assert not rescored(sound(seed=0, test_images=20_000))


def test_reproduced_where_a_seed_of_every_protocol_was_run_again_within_tolerance():
    one = tier(RECORDS, [again(RECORDS[0], 846)])
    assert one == Tier(RESCORED, 1, 0, 6) and str(one) == "re-scored (1 of 6)"
    both = tier(RECORDS, [again(RECORDS[0], 846), again(RECORDS[3], 851)])
    assert both == Tier(REPRODUCED, 2, 0, 6) and str(both) == "reproduced (2 of 6)"


def test_a_record_that_drifted_keeps_its_row_from_being_reproduced():
    got = tier(RECORDS, [again(RECORDS[0], 846), again(RECORDS[3], 851), again(RECORDS[1], 700)])
    assert got == Tier(RESCORED, 2, 1, 6) and "1 drifted" in str(got)


def test_one_repeat_within_tolerance_is_enough():
    assert tier(RECORDS, [again(RECORDS[0], 700), again(RECORDS[0], 850, started="2025-06-05T00:00:00Z")]).drifted == 0


def test_a_repeat_whose_own_bits_deny_it_reproduces_nothing():
    lied = again(RECORDS[0], 700, metrics__top1=RECORDS[0].metrics.top1)
    assert tiers_of(RECORDS, [lied])[id(RECORDS[0])] == RESCORED


def test_document_and_index_tell_it(tmp_path):
    fill(tmp_path, RECORDS)
    repeat = again(RECORDS[0], 846)
    path = next((tmp_path / "v1").rglob(f"{repeat.key}.json"))
    path.with_name(f"{repeat.key}.1.json").write_text(repeat.model_dump_json(by_alias=True))
    build(tmp_path)
    index = json.loads((tmp_path / "v1" / "index.json").read_text())
    assert {line["key"]: line["tier"] for line in index["records"]} == {r.key: REPRODUCED if r is RECORDS[0] else RESCORED for r in RECORDS}
    assert index["tables"][0]["rows"][0]["tier"] == {"word": RESCORED, "reproduced": 1, "drifted": 0, "records": 6}
    assert to_json(tables(RECORDS))["tables"][0]["rows"][0]["tier"]["reproduced"] == 0


@pytest.mark.parametrize("word", [SELF, RESCORED])
def test_a_tier_in_words(word):
    assert str(Tier(word, 0, 0, 3)) == word
