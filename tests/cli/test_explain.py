from __future__ import annotations

import json

import pytest

from .conftest import bench


@pytest.fixture(scope="module")
def digits():
    return bench("explain", "--model", "vgg-digits", "--dataset", "digits")


def test_groups_of_a_plain_network(digits):
    """Six convolutions: 139,818 parameters by hand; every group is inner, and read by the next layer alone."""
    assert (digits.code, digits.err) == (0, "")
    first = digits.out.splitlines()[0]
    assert first == "vgg-digits on digits: 139,818 parameters, 1,788,544 multiply-adds; 320 channels in 6 groups can be removed"
    block = digits.out.split("\n\n")[1].splitlines()
    assert block[0] == "features.0: 32 channels, inner"
    assert [line.split() for line in block[1:]] == [["producer", "features.0", "weight", "dim", "0"],
                                                    ["norm", "features.1", "weight", "bias", "running_mean", "running_var", "dim", "0"],
                                                    ["consumer", "features.3", "weight", "dim", "1"]]
    assert digits.out.rstrip().splitlines()[-3:] == ["pinned:", "  the network's output", "    classifier.weight  dim 0  10 channels"]


def test_as_json_and_by_its_other_name(digits):
    made = json.loads(bench("explain", "--model", "vgg_digits", "--dataset", "digits", "--json").out)
    assert (made["params"], made["macs"]) == (139_818, 1_788_544) and [g["width"] for g in made["groups"]] == [32, 32, 64, 64, 64, 64]
    last = made["groups"][-1]
    assert last["inner"] and last["producers"] == ["features.17"]
    assert {"role": "consumer", "tensor": "classifier.weight", "dim": 1, "entries": 1} in last["uses"]
    assert made["pins"] == [{"tensor": "classifier.weight", "dim": 0, "channels": 10, "why": "the network's output"}]


def test_shortcuts_make_groups_that_are_not_inner():
    made = json.loads(bench("explain", "--model", "resnet-digits", "--dataset", "digits", "--json").out)
    stream = made["groups"][0]
    assert stream["name"] == "conv1" and not stream["inner"] and len(stream["producers"]) == 7
    assert [g["inner"] for g in made["groups"]] == [False, *[True] * 6]


def test_flattened_maps_are_many_entries_a_channel(package):
    package("flat", "from benchbase import hookimpl\n\ndef flat(num_classes, in_channels=3):\n    from torch import nn\n"
                    "    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, num_classes))\n\n"
                    "@hookimpl\ndef bench_models():\n    return [flat]\n")
    assert "dim 1, 36 entries a channel" in bench("explain", "--model", "flat", "--dataset", "digits").out


@pytest.mark.parametrize("args, what", [
    (("--model", "vgg17", "--dataset", "digits"), "unknown model"), (("--model", "vgg16", "--dataset", "digit"), "unknown data"),
    (("--model", "vgg16"), "Missing option '--dataset'"),
    (("--model", "torchvision:alexnet", "--dataset", "digits"), "does not run on inputs of shape (2, 1, 8, 8)")])
def test_what_cannot_be_explained(args, what):
    said = bench("explain", *args)
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and what in said.lines[0].replace("dataset 'digit'", "data set 'digit'")
