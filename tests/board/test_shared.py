from __future__ import annotations

from itertools import islice

from factory import sha, sweep

from benchbase.board.shared import _letters
from benchbase.board.table import tables


def run(method, finals, protocol="scratch-e", right=(850, 851, 852)):
    return [r.model_copy(update={"digests": r.digests.model_copy(update={"final": final})})
            for r, final in zip(sweep({protocol: list(right)}, method=method), finals)]


def three(name):
    return [sha(name, s) for s in range(3)]


def links(records):
    (table,) = tables(records)
    return table, {(row.who.name, e.protocol): e.link for row in table.rows for e in row.entries if e.link}


def test_one_letter_for_the_rows_that_share():
    longer = [*run("a", three("z"), "scratch-b"), *run("b", three("z"), "scratch-b")]
    table, got = links([*run("a", three("x")), *run("b", three("x")), *run("c", three("y")), *longer])
    assert got == {(m, p): "a" for m in "ab" for p in ("scratch-e", "scratch-b")}
    (link,) = table.links
    assert (link.letter, link.rows, link.protocols, link.whole) == ("a", ("a 0.5", "b 0.5"), ("scratch-e", "scratch-b"), True)


def test_shared_entries_have_one_value():
    table, _ = links([*run("a", three("x")), *run("b", three("x"))])
    assert len({row.entry("scratch-e").values for row in table.rows}) == 1


def test_other_rows_have_other_letters_and_part_is_said():
    table, got = links([*run("a", three("x")), *run("b", three("x")), *run("c", three("y")), *run("d", [*three("y")[:2], sha("own")])])
    assert got == {("a", "scratch-e"): "a", ("b", "scratch-e"): "a", ("c", "scratch-e"): "b", ("d", "scratch-e"): "b"}
    assert [link.whole for link in table.links] == [True, False]


def test_protocols_of_one_row_that_are_one_run():
    table, got = links([*run("a", three("x"), "scratch-b"), *run("a", three("x"), "scratch-b-cap2")])
    assert got == {("a", "scratch-b"): "a", ("a", "scratch-b-cap2"): "a"} and table.links[0].rows == ("a 0.5",)


def test_no_letter_without_sharing_and_none_for_the_base():
    table, got = links([*run("a", three("x")), *run("b", three("y"))])
    assert got == {} and table.links == ()


def test_letters_go_on_after_z():
    assert list(islice(_letters(), 25, 29)) == ["z", "aa", "ab", "ac"]
