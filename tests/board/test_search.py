from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchbase.board.search import Point, draw, figure, points, way_of
from benchbase.errors import BenchError


def record(method: str, budget: dict, seed: int, params: int, top1: float, protocol: str = "scratch-e", model: str = "vgg16") -> SimpleNamespace:
    return SimpleNamespace(method=SimpleNamespace(name=method), budget=budget, seed=seed, protocol=protocol, model=model,
                           dataset=SimpleNamespace(name="cifar10"), metrics=SimpleNamespace(top1=top1, nonzero=params))


DESIGN = {"widths": {"a": 3}, "name": "guided-075"}


def test_a_design_is_called_by_its_name_without_its_size():
    assert way_of(record("random", DESIGN, 0, 1, 1.0)) == "guided"
    assert way_of(record("random", {"widths": {"a": 3}, "name": "by-layer-0.5"}, 0, 1, 1.0)) == "by-layer"
    assert way_of(record("network-slimming", {"params": 0.5, "name": "params=0.5"}, 0, 1, 1.0)) == "network-slimming"


def test_points_are_means_over_seeds_from_large_to_small():
    small, large = {"params": 0.75, "name": "params=0.75"}, {"params": 0.5, "name": "params=0.5"}
    made = points([record("uniform", small, 0, 20, 90.0), record("uniform", small, 1, 30, 92.0), record("uniform", large, 0, 50, 95.0),
                   record("random", DESIGN, 0, 25, 93.0), record("uniform", small, 0, 20, 10.0, "finetune")], "scratch-e")
    assert made == [Point("guided", "guided-075", 25, 93.0, None, 1), Point("uniform", "params=0.5", 50, 95.0, None, 1),
                    Point("uniform", "params=0.75", 25, 91.0, pytest.approx(2 ** 0.5), 2)]


def test_one_network_at_a_time():
    with pytest.raises(BenchError, match="2 networks"):
        points([record("uniform", DESIGN, 0, 1, 1.0), record("uniform", DESIGN, 0, 1, 1.0, model="vgg19")], "scratch-e")
    with pytest.raises(BenchError, match="0 networks"):
        points([], "scratch-e")


def test_pictures(tmp_path):
    pytest.importorskip("altair")
    made = [Point("guided", "a", 100, 90.0, 1.0, 3), Point("guided", "b", 10, 80.0, None, 1)]
    assert [v["high"] for v in figure(made, "t").to_dict()["data"]["values"]] == [91.0, 80.0]
    draw(made, "t", tmp_path / "x.svg")
    assert "guided" in (tmp_path / "x.svg").read_text()
    with pytest.raises(BenchError, match="no picture"):
        draw(made, "t", tmp_path / "x.pdf")
