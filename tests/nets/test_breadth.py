"""A part of the breadth table run here; the lists and the committed table held to each other."""
from __future__ import annotations

import re

import pytest
import torch
from breadth import DATA, LISTS, judge, ours, table

from benchbase.nets.trial import Bench

# network -> verdict, most that may be left of the multiply-adds at half of every group
QUICK = {"timm:test_vit": ("right", 0.75), "timm:test_convnext": ("right", 0.65), "timm:test_nfnet": ("right", 1.01),
         "timm:test_efficientnet": ("right", 0.40), "timm:lcnet_035": ("right", 0.40), "timm:fasternet_t0": ("right", 0.40),
         "timm:inception_next_atto": ("right", 0.40), "timm:efficientvit_b0": ("right", 0.40), "torchvision:squeezenet1_0": ("right", 0.40),
         "torchvision:mnasnet1_0": ("right", 0.40),
         "timm:tf_efficientnet_cc_b0_4e": ("refused", None)}


@pytest.mark.parametrize("name", QUICK)
def test_half_of_every_group(name):
    row = judge(name)["ours"]
    verdict, most = QUICK[name]
    assert row["verdict"] == verdict, row
    assert row["why"] if most is None else row["kept"] < most


def test_what_is_wrong_is_seen(monkeypatch):
    class Scaled(torch.nn.Module):
        """A factor that follows the width, which no shape tells."""

        def __init__(self):
            super().__init__()
            self.a, self.b, self.head = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 8, 3), torch.nn.Linear(8, 10)

        def forward(self, x):
            y = self.a(x)
            return self.head(self.b(y * y.shape[1] ** -0.5).mean((2, 3)))
    x = torch.randn(2, 3, 16, 16)
    assert ours(Scaled().eval(), x)["verdict"] == "right"
    monkeypatch.setattr(Bench, "differs", lambda bench, groups: "")
    row = ours(Scaled().eval(), x)
    assert row["verdict"] == "wrong" and "differ" in row["why"]


def test_the_lists():
    import timm
    from torchvision import models

    networks, others = ([line.partition(":")[2] for line in path.read_text(encoding="utf-8").split()] for path in LISTS)
    family = {name: f for f in timm.list_modules() for name in timm.list_models(module=f)}
    assert len(set(networks)) == 100 and set(networks) <= set(family) and len({family[n] for n in networks}) >= 60
    assert len(set(others)) == 19 and set(others) <= set(models.list_models(module=models))


def test_the_table():
    text = (DATA / "breadth.md").read_text(encoding="utf-8")
    names = [line for path in LISTS for line in path.read_text(encoding="utf-8").split()]
    assert re.findall(r"^\| (\w+:\w+) \|", text, re.M) == names
    counts = {m[1]: [int(n) for n in m[2].split(" | ")] for m in re.finditer(r"^\| (timm|torchvision) \| (\d+(?: \| \d+){4}) \|", text, re.M)}
    (_, right, refused, wrong, _), tv = counts["timm"], counts["torchvision"]
    assert right >= 97 and right + refused == 100 and wrong == 0 and tv[:4] == [19, 19, 0, 0]
    verdicts = re.findall(r"^\| \w+:\w+ \|(?:[^|]*\|){3} (\w+) \|", text, re.M)
    assert (verdicts.count("right"), verdicts.count("refused")) == (right + 19, refused)


def test_a_table_counts_its_rows():
    rows = [{"name": "timm:a", "size": 64, "params": 2_500_000,
             "ours": {"verdict": "right", "seconds": 1.0, "groups": 3, "kept": 0.25, "difference": 1e-7},
             "theirs": {"verdict": "failed", "seconds": 0.5, "why": "KeyError: 'a|b'"}},
            {"name": "timm:b", "size": 64, "params": 1_000_000,
             "ours": {"verdict": "right", "seconds": 3.0, "groups": 2, "kept": 0.40, "difference": 0.0},
             "theirs": {"verdict": "right", "seconds": 0.7, "kept": 0.3}},
            {"name": "timm:c", "ours": {"verdict": "wrong", "seconds": 2.0, "why": "IndexError"}}]
    text = table(rows)
    assert "| timm | 3 | 2 | 0 | 1 | 1 | 2.0 | 1 of 2 | 0.6 |" in text
    assert "| timm:a | 64 | 2.5 | 3 | right | 25% | 1.0 | 1e-07 | failed |  | 0.5 | Torch-Pruning: KeyError: 'a/b' |" in text
