"""Every method that removes channels or blocks, on the shallowest network of each family; agreement.py does it on all of them."""
from __future__ import annotations

import pytest
from agreement import judge, networks, shallowest, structured, table

from benchbase.nets import cut
from benchbase.plugin.manager import load_plugins

PLUGINS = load_plugins()
FAMILIES = networks(PLUGINS)


@pytest.mark.parametrize("family", FAMILIES)
def test_zeroed_and_sliced_networks_agree(family):
    rows = judge(shallowest(PLUGINS, FAMILIES[family]))
    assert {row.method for row in rows} == set(structured(PLUGINS))
    assert not [row for row in rows if row.verdict == "wrong"], table(rows)
    assert all(row.why for row in rows if row.verdict == "n/a") and sum(row.verdict == "agree" for row in rows) > len(rows) / 2


def test_the_families():
    assert {name for names in FAMILIES.values() for name in names} >= {
        "vgg11", "vgg13", "vgg16", "vgg19", "vgg19-bias", "vgg16-gap", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110",
        "preresnet20", "preresnet56", "preresnet110", "preresnet164", "densenet40", "densenet100", "densenet-bc-100"}
    assert [shallowest(PLUGINS, FAMILIES[family]) for family in ("preresnet", "densenet")] == ["preresnet20", "densenet40"]
    assert {"l1-norm", "thinet", "regression", "network-slimming", "sss", "soft-filter"} <= set(structured(PLUGINS))


def test_what_disagrees_is_seen(monkeypatch):
    right = cut.cut_copy

    def shifted(model, groups, kept):
        return right(model, groups, {g.name: sorted((c + 1) % g.width for c in kept[g.name]) for g in groups})

    monkeypatch.setattr(cut, "cut_copy", shifted)
    monkeypatch.setattr(cut, "EQUIVALENT", float("inf"))
    row, = judge("vgg11", only=("l1-norm",))
    assert row.verdict == "wrong" and "differ by" in row.why and "wrong: l1-norm on vgg11" in table([row])
