from __future__ import annotations

from many import sound, sound_data

from benchbase.board.changes import changes, to_markdown
from benchbase.board.front import standing
from benchbase.board.table import tables
from benchbase.values.architecture import architecture_of
from benchbase.values.record import record_of


def row(method="l1-norm", ratio=0.5, rights=(850, 851, 852), protocol="finetune", **said):
    return [sound(method=method, ratio=ratio, protocol=protocol, seed=s, right=right, **said) for s, right in enumerate(rights)]


def test_nothing_new():
    one = tables(row())
    assert changes(one, one) == [] and to_markdown([]) == "No row changes."


def test_a_new_row_and_what_stands_above_it():
    before, new = row(), row("thinet", rights=(840, 841, 842))
    (change,) = changes(tables(before), tables([*before, *new]))
    assert (change.row.who.name, change.before, change.records) == ("thinet", None, 3)
    assert change.standing.protocol == "finetune" and change.standing.above.label == "l1-norm 0.5"
    assert "| new, 3 | finetune 93.65 ± 0.11 (n 3) |" in to_markdown([change]) and "below l1-norm 0.5" in to_markdown([change])


def test_a_row_that_takes_the_front():
    before, new = [*row(), *row(ratio=0.25, rights=(860, 861, 862))], row("thinet", rights=(870, 871, 872))
    change = next(c for c in changes(tables(before), tables([*before, *new])) if c.row.who.name == "thinet")
    assert change.standing.above is None and {r.label for r in change.displaced} == {"l1-norm 0.5", "l1-norm 0.25"}
    assert "on the front; above" in to_markdown([change])


def test_fewer_multiply_adds_at_less_accuracy_is_no_worse():
    table = tables([*row(), *row(ratio=0.75, rights=(800, 801, 802))])[0]
    assert [standing(r, table.rows).above for r in table.rows] == [None, None]


def test_single_weights_are_not_compared_with_channels():
    data = [sound_data(method="magnitude", ratio=0.75, right=700, seed=s) for s in range(3)]
    masked = []
    for d in data:
        architecture = {**d["architecture"], "masks": "a" * 64}
        digests = {**d["digests"], "architecture": architecture_of(architecture).digest}
        masked.append(record_of({**d, "architecture": architecture, "digests": digests}))
    (table,) = tables([*row(), *masked])
    assert {r.kind for r in table.rows} == {"structured", "weights"} and all(standing(r, table.rows).above is None for r in table.rows)


def test_more_seeds_and_a_rank_that_moves():
    first = row(rights=(850, 851, 852))
    rivals = [*row("thinet", rights=(700, 704, 701)), *row("hrank", rights=(840, 846, 842))]
    before, after = [*first, *rivals[3:]], [*first, *rivals, sound(seed=3, right=853)]
    found = {c.row.label: c for c in changes(tables(before), tables(after))}
    assert set(found) == {"l1-norm 0.5", "thinet 0.5"} and found["l1-norm 0.5"].records == 1
    text = to_markdown([found["l1-norm 0.5"]])
    assert "| +1 |" in text and "of 3" in text and "(was " in text


def test_hostile_names_stay_text():
    new = row("<script>|x", rights=(850, 851, 852))
    text = to_markdown(changes([], tables(new)))
    assert "<script>" not in text and len({line.count("|") - line.count("\\|") for line in text.splitlines()}) == 1
