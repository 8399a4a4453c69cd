from __future__ import annotations

import pytest
from factory import record, sha, sweep

from benchbase.board.compare import compare
from benchbase.board.condition import condition
from benchbase.board.holm import holm
from benchbase.board.mcnemar import mcnemar
from benchbase.board.side import METHOD, SET, Side, told
from benchbase.board.stats import paired_t
from benchbase.values.bits import unpack_bits

FIVE = [850, 853, 851, 855, 852]


def methods(*records, names=("l1-norm", "b")):
    board = told([r for found in records for r in found])
    return compare(*(Side(name, METHOD, tuple(t for t in board if t.method == name)) for name in names))


def test_b_minus_a_paired_by_seed():
    got = methods(sweep({"finetune": FIVE}), sweep({"finetune": [r - 10 - i for i, r in enumerate(FIVE)]}, method="b", metrics__loss=0.5,
                                                 metrics__params=35_000))
    (contrast,) = got.contrasts
    want = paired_t([-(10 + i) / 8.98 for i in range(5)], [0.0] * 5)
    assert contrast.changes["top1", "pp"].mean == pytest.approx(want.mean) and contrast.changes["top1", "pp"].low == pytest.approx(want.low)
    assert contrast.changes["loss", "%"].mean == 100 and contrast.changes["loss", ""].mean == 0.25 and contrast.changes["params", "%"].mean == -50
    assert contrast.changes["macs", "%"].high == 0 and contrast.means["top1"][0] == pytest.approx(sum(FIVE) / 5 / 8.98)
    assert contrast.word == "A is better" and not contrast.provisional and contrast.seeds == (0, 1, 2, 3, 4) and got.unpaired == (0, 0)
    assert contrast.crossed.mean == pytest.approx(want.mean) and contrast.crossed.low < want.low


@pytest.mark.parametrize(("gain", "word"), [([20, 21, 22, 20, 19], "B is better"), ([2, 3, 4, 3, 3], "B is a little better"),
                                          ([0, 1, -1, 0, 0], "no difference that counts"), ([-20, -21, -20, -22, -20], "A is better"),
                                          ([-20, 20, 0, 5, -5], "undecided")])
def test_the_word_is_that_of_the_interval(gain, word):
    got = methods(sweep({"finetune": FIVE}), sweep({"finetune": [r + g for r, g in zip(FIVE, gain)]}, method="b"))
    assert got.contrasts[0].word == word


def test_few_seeds_are_provisional_and_one_has_no_word():
    got = methods(sweep({"finetune": [850, 853]}), sweep({"finetune": [840, 842]}, method="b"))
    assert got.contrasts[0].provisional and got.contrasts[0].word
    got = methods(sweep({"finetune": [850]}), sweep({"finetune": [840]}, method="b"))
    assert got.contrasts[0].word == "" and got.contrasts[0].provisional and got.contrasts[0].changes["top1", "pp"].low is None


def test_the_two_networks_of_a_seed():
    a, b = sweep({"finetune": [850, 853]}), sweep({"finetune": [700, 853]}, method="b")
    got = methods(a, b).contrasts[0].networks
    assert set(got) == {0, 1} and got[0] == mcnemar(unpack_bits(a[0].correct, 898), unpack_bits(b[0].correct, 898)) and got[0].exact < 1e-9
    other = [record(method="b", seed=s, n=900, right=850) for s in range(2)]
    (contrast,) = methods(a, other).contrasts
    assert contrast.networks == {} and contrast.crossed is None and contrast.changes["top1", "pp"].n == 2


def shared(method, tuned):
    """A row whose scratch runs any other such row has too."""
    return [*sweep({"finetune": tuned}, method=method),
            *(record(method=method, protocol="scratch-b", seed=s, right=860 + s, final=sha("scratch", s)) for s in range(5))]


def test_gaps_that_share_their_scratch_runs_differ_as_the_tuned_accuracies_do():
    got = methods(shared("l1-norm", FIVE), shared("b", [r - 3 for r in FIVE]))
    (gap,) = got.gaps
    assert gap.name == "paper" and gap.shared == gap.seeds == (0, 1, 2, 3, 4)
    tuned = next(c for c in got.contrasts if c.protocol == "finetune").changes["top1", "pp"]
    assert (gap.interval.mean, gap.interval.low) == (pytest.approx(tuned.mean), pytest.approx(tuned.low))
    scratch = next(c for c in got.contrasts if c.protocol == "scratch-b")
    assert scratch.word == "the same runs" and scratch.same == (0, 1, 2, 3, 4) and not scratch.provisional


def test_gaps_that_share_nothing_differ_as_all_four_do():
    one = sweep({"finetune": FIVE, "scratch-b": [860] * 5})
    two = sweep({"finetune": FIVE, "scratch-b": [870, 872, 874, 876, 878]}, method="b")
    (gap,) = methods(one, two).gaps
    assert gap.shared == () and gap.interval.mean == pytest.approx(-14 / 8.98) and gap.interval.n == 5


def test_equal_runs_are_no_comparison_of_the_family():
    got = methods(shared("l1-norm", FIVE), shared("b", [r - 3 - i for i, r in enumerate(FIVE)]))
    tuned = next(c for c in got.contrasts if c.protocol == "finetune")
    assert tuned.adjusted == tuned.p < 0.05
    more = [*sweep({"one-shot": FIVE}), *sweep({"finetune": FIVE})], [*sweep({"one-shot": [1, 2, 3, 5, 4]}, method="b"),
                                                                   *sweep({"finetune": [840, 839, 841, 839, 842]}, method="b")]
    got = methods(*more)
    assert [c.adjusted for c in got.contrasts] == holm([c.p for c in got.contrasts]) != [c.p for c in got.contrasts]


def test_conditions_hold_where_they_hold_and_records_without_a_partner_are_counted():
    got = methods([*sweep({"finetune": FIVE, "scratch-b": FIVE}), record(protocol="one-shot")],
                  sweep({"finetune": [r - 9 for r in FIVE], "scratch-b": FIVE}, method="b"))
    assert [c.protocol for c in got.failing(condition("top1:-0.5pp"))] == ["finetune"] and got.failing(condition("macs:+0%")) == []
    assert got.unpaired == (1, 0)


def test_the_same_records_do_not_differ():
    both = [Side(name, SET, tuple(told(sweep({"finetune": FIVE})))) for name in "ab"]
    (contrast,) = compare(*both).contrasts
    assert contrast.word == "the same runs" and contrast.p == 1 and contrast.changes["top1", "pp"].mean == 0
