"""200 random networks: the small part of the campaign that runs every time. What the campaign came to stands in tests/data/networks.json."""
from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import networks
import pytest
from hypothesis import HealthCheck, given, settings


def test_zeroed_equals_sliced_and_what_is_rebuilt_is_the_same():
    seen = Counter()

    @settings(max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(networks.NETWORK)
    def run(network):
        outcome, counts = networks.judge(network)
        assert outcome == "equal"
        seen.update(counts, networks=1)

    run()
    assert seen["networks"] >= 200 and seen["groups"] > 300 and seen["removed"] > 300 and seen["changed"] > 80


@pytest.mark.parametrize("step", sorted({*networks.OPS}))
def test_every_kind_of_step_is_followed(step):
    """A network with this step between two convolutions has channels to lose, and loses them rightly."""
    outcome, counts = networks.judge(([("conv", 4, 0), (step, 4, 0), ("conv", 4, 0)], 1, 3))
    assert outcome == "equal" and counts["groups"] >= 1 and counts["removed"] >= 1


def test_a_wrong_slice_is_seen():
    wrong = [networks.judge(([("conv", 4, 0), ("norm", 0, 1), ("relu", 0, 0), ("conv", 6, 0)], 1, choice), spoil=1)[0] for choice in range(8)]
    assert sum(outcome.startswith("differs") for outcome in wrong) >= 4


def test_what_the_campaign_came_to():
    result = json.loads((Path(__file__).parents[1] / "data" / "networks.json").read_text())
    assert result["failures"] == {} and result["outcomes"] == {"equal": result["networks"]} and set(result["steps"]) == {*networks.OPS}
    assert result["networks"] >= 100 and result["totals"]["changed"] > result["networks"] / 2
