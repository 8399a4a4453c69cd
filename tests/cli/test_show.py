from __future__ import annotations

import json

import pytest

from .conftest import bench

REPORTED = """
from dataclasses import dataclass, field
from benchbase import Method, Metric, Selection, hookimpl

@dataclass(frozen=True)
class Mine(Method):
    '''Keeps the first channels.

    first: where to begin.
    '''
    first: int = 3
    layers: tuple[int, ...] = (1, 2)
    name = "mine"
    reported = ({"model": "vgg16", "top1": 93.5},)
    def select(self, net, data, budget):
        return Selection({})

class Agreement(Metric):
    '''How often both say the same.'''
    name, unit, better = "agreement", "%", "higher"

@hookimpl
def bench_methods():
    return [Mine]

@hookimpl
def bench_metrics():
    return [Agreement()]
"""


def test_a_method():
    said = bench("show", "thinet")
    assert (said.code, said.err) == (0, "") and said.out.startswith("method thinet\n") and "arXiv:1707.06342" in said.out
    assert "    images           256\n" in said.out and "    refit            true\n" in said.out and "Greedy choice" in said.out
    (shown,) = json.loads(bench("show", "thinet", "--json").out)
    assert shown["parameters"] == {"images": 256, "positions": 10, "refit": True, "finetune_epochs": 0} and shown["granularity"] == "channel"


def test_reported_numbers_stand_with_their_sources():
    out = bench("show", "l1-norm").out
    assert "    CIFAR-10  ResNet-56   ResNet-56-A   unpruned 93.14 ± 0.12, scratch-e 92.96 ± 0.26, scratch-b 93.09 ± 0.14 [2]\n" in out
    head, _, tail = out.partition("    CIFAR-10  VGG-16      VGG-16-A      scratch-b 93.78 [1]\n")
    assert "top5: finetune 90.99, scratch-e 91.2, scratch-b 91.29\n" in tail and "    [1] ShrinkBench's survey, " in tail and "93.14" not in head
    assert json.loads(bench("show", "l1-norm", "--json").out)[0]["reported"][0]["scratch-b"] == 93.78


def test_a_method_of_someone_else(package):
    package("mine", REPORTED)
    out = bench("show", "mine").out
    assert "from             mine-plugins 1.2 (mine)\n" in out
    assert "  reported, with the number of the source\n    vgg16  top1 93.5\n" in out and "layers  1/2\n" in out
    assert "first: where to begin." in out
    (shown,) = json.loads(bench("show", "mine", "--json").out)
    assert shown["reported"] == [{"model": "vgg16", "top1": 93.5}] and shown["parameters"] == {"first": 3, "layers": [1, 2]}
    assert "metric agreement\n" in bench("show", "agreement").out and "unit    %\n" in bench("show", "agreement").out


@pytest.mark.parametrize("name, parts", [
    ("digits", ["data set digits\n", "epochs=24 batch_size=64 lr=0.05", "num classes  10\n", "1,797 real digits"]),
    ("imagefolder:DIR[size=32]", ["data set imagefolder\n", "per_class  0\n"]), ("vgg_digits", ["model vgg-digits\n", "139,818 parameters"]),
    ("scratch-b", ["protocol scratch-b\n", "start            fresh\n", "int(K1 * F1/F2)"]),
    ("vgg16-a", ["budget vgg16-a\n", "features.0=0.5", "vggprune.py"]),
    ("processes", ["executor processes\n"]), ("torchvision:resnet18", ["model torchvision:resnet18\n"])])
def test_every_kind(name, parts):
    said = bench("show", name)
    assert (said.code, said.err) == (0, "") and not [p for p in parts if p not in said.out], said.out
    assert json.loads(bench("show", name, "--json").out)


def test_a_suite_is_shown_whole(package, tmp_path):
    (tmp_path / "quick.yaml").write_text("# One method.\nmethods: [random]\n")
    package("suites", "from pathlib import Path\nfrom benchbase import hookimpl\n@hookimpl\ndef bench_suites():\n"
                      f"    return [Path({str(tmp_path / 'quick.yaml')!r})]\n")
    assert "methods: [random]" in bench("show", "quick").out and "One method." in bench("list", "suites").out


@pytest.mark.parametrize("name, near", [("thinnet", "'thinet'"), ("vgg17", "'vgg16'"), ("torchvision:resnet19", "torchvision:resnet18"),
                                        ("thinet[", "bracket")])
def test_near_misses_of_every_kind(name, near):
    said = bench("show", name)
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and near in said.err
