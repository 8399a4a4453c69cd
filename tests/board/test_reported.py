from __future__ import annotations

import re

import pytest
from factory import BASE, record, sweep
from scipy import stats

from benchbase.board.reported import NO, OTHER, YES, Cited, agrees, bare, bibtex, claims, compared
from benchbase.board.table import tables
from benchbase.values.budget import Budget

PAPER = BASE.__class__(epochs=160, batch_size=64, lr=0.1)
SAID = {"dataset": "CIFAR-10", "model": "VGG-16", "target": "VGG-16-A", "source": "the table", "scratch-b": {"mean": 93.0, "std": 0.2},
        "finetune": 80.0}


def board(rights, recipe=PAPER, **said):
    return tables(sweep(rights, dataset="cifar10", model="vgg16", budget=Budget(ratios={"*": 0.5}, name="vgg16-a"), recipe=recipe, **said))


def test_numbers_of_the_same_data_set_network_and_target_stand_side_by_side():
    found = {c.protocol: c for c in compared(board({"scratch-b": [836, 837, 838], "finetune": [800, 801, 802]}), {"l1-norm": Cited("", (SAID,))})}
    ours = [100 * right / 898 for right in (836, 837, 838)]
    assert found["scratch-b"].ours == (pytest.approx(sum(ours) / 3), pytest.approx(stats.tstd(ours)), 3)
    welch = stats.ttest_ind_from_stats(found["scratch-b"].ours[0], found["scratch-b"].ours[1], 3, 93.0, 0.2, 5, equal_var=False)
    low, high = welch.confidence_interval(0.95) if hasattr(welch, "confidence_interval") else (None, None)
    if low is None:
        a, b = stats.tstd(ours) ** 2 / 3, 0.2**2 / 5
        half = stats.t.ppf(0.975, (a + b) ** 2 / (a**2 / 2 + b**2 / 4)) * (a + b) ** 0.5
        low, high = sum(ours) / 3 - 93 - half, sum(ours) / 3 - 93 + half
    assert found["scratch-b"].difference == (pytest.approx(sum(ours) / 3 - 93), pytest.approx(low), pytest.approx(high))
    assert found["scratch-b"].agrees == YES and found["finetune"].agrees == NO and found["finetune"].difference[1:] == (None, None)


def test_another_recipe_is_another_experiment_and_another_target_is_none():
    cited = {"l1-norm": Cited("", (SAID,)), "absent": Cited("", (SAID,))}
    assert [c.agrees for c in compared(board({"scratch-b": [836]}, BASE), cited)] == ["not measured", OTHER]
    said = {"dataset": "cifar10", "model": "vgg16", "budget": Budget(ratios={"*": 0.5}, name="vgg16-a")}
    both = tables([record(protocol="scratch-b", right=836, recipe=recipe, **said) for recipe in (BASE, PAPER)])
    assert [c.agrees for c in compared(both, cited)] == ["not measured", YES]
    for changed in ({"model": "VGG-19"}, {"dataset": "CIFAR-100"}, {"target": "VGG-16-B"}):
        assert all(c.ours is None for c in compared(board({"scratch-b": [836]}), {"l1-norm": Cited("", ({**SAID, **changed},))}))


@pytest.mark.parametrize("target, budget, same", [("70%", Budget(ratio=0.7), True), ("70%", Budget(ratio=0.6), False),
                                                  ("70%", Budget(macs=0.7), False),
                                                  ("ThiNet-30", Budget(ratios={"*": 0.7}, name="thinet-30"), True)])
def test_targets(target, budget, same):
    said = {**SAID, "target": target}
    (found,) = (c for c in compared(tables([record(dataset="cifar10", model="torchvision:vgg16", budget=budget, protocol="finetune")]),
                                    {"l1-norm": Cited("", (said,))})
                if c.protocol == "finetune")
    assert (found.ours is not None) is same


def test_claims_are_counted_over_rows_of_the_methods_of_the_paper():
    better = sweep({"finetune": [800, 801, 802], "scratch-b": [830, 831, 832]}, dataset="cifar10")
    worse = sweep({"finetune": [840, 841, 842], "scratch-b": [800, 801, 802]}, dataset="cifar10", method="thinet")
    torn = sweep({"finetune": [800, 880, 840], "scratch-b": [840, 841, 842]}, dataset="cifar10", method="sss")
    other = sweep({"finetune": [840, 841, 842], "scratch-b": [800, 801, 802]}, dataset="cifar10", method="random")
    cited = {name: Cited("", (SAID,)) for name in ("l1-norm", "thinet", "sss")} | {"random": Cited("a control")}
    (claim,) = claims(tables([*better, *worse, *torn, *other]), cited)
    assert (claim.kind, claim.dataset, claim.agree, claim.against, claim.unclear) == ("structured", "cifar10", 1, 1, 1)


def test_what_plugins_report_in_another_form_is_left_out():
    odd = ("text", {}, {**SAID, "scratch-b": "93 %", "finetune": {"std": 1}},
           {**SAID, "target": "some %", "scratch-b": float("nan"), "finetune": None})
    assert list(compared(board({"scratch-b": [836]}), {"l1-norm": Cited("", odd)})) == []


def test_agreement():
    assert agrees((0.3, None, None), 0.3) == YES and agrees((0.31, None, None), 0.3) == NO and agrees((1.0, -0.1, 2.1), 0.3) == YES
    assert agrees((1.0, 0.5, 1.5), 0.3) == NO


def test_citations_of_every_method_become_bibtex():
    from benchbase.plugin.manager import load_plugins

    for offer in load_plugins().offers("methods"):
        entry = bibtex(offer.name, offer.paper or "")
        assert re.match(r"@\w+\{[\w-]+,\n", entry) and entry.endswith("\n}") and entry.count("{") == entry.count("}")
        if re.search(r"\d{4}, arXiv", offer.paper or ""):
            assert entry.startswith("@inproceedings") and "eprint" in entry, entry


def test_bibtex_of_strangers_is_text():
    assert bibtex("a{b", "\\input{x} % $") == "@misc{ab,\n  note = {\\textbackslash{}input\\{x\\} \\% \\$}\n}" and bare("A-b (C)") == "abc"
