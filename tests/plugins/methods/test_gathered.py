"""Every structured method where blocks add to a stream and pick from it: zeroed and sliced networks agree, widths are the budget's."""
from __future__ import annotations

import pytest
import torch
from golden import traced

from benchbase.nets.prune import prune_network
from benchbase.plugin.manager import load_plugins
from benchbase.values.budget import Budget
from benchbase_plugins.models.preresnet import preresnet20

METHODS = ("soft-filter", "taylor", "taylor[of=filter]", "fpgm", "group-norm", "group-norm[normalise=mean,p=1]", "growing-reg", "hrank", "iterative-l1")


@pytest.fixture(scope="module")
def stream():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = preresnet20(10).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.1, 1)
                torch.nn.init.normal_(module.bias, 0, 0.2)
                torch.nn.init.normal_(module.running_mean, 0, 0.2)
        images = torch.randn(4, 3, 32, 32)
    return model, images, traced(preresnet20)


@pytest.mark.parametrize("name", METHODS)
def test_all_groups_of_a_network_with_gathers(stream, name):
    model, images, trace = stream
    pruned = prune_network(model, load_plugins().method(name).value, Budget(ratio=0.5, scope="all"), [(images, torch.arange(4))], images[:2],
                           trace=trace, tuner=lambda net, epochs, kept, masks: None)
    logits = pruned.model(images).detach()
    assert pruned.report["equivalence"] <= 1e-5 * max(1, float(logits.abs().max()))
    kinds = {g.name: (g.width, g.inner) for g in trace.groups}
    assert len(pruned.selection.kept) == len(kinds) == 19 and len({inner for _, inner in kinds.values()}) == 2
    assert all(len(kept) == kinds[n][0] // 2 for n, kept in pruned.selection.kept.items())
