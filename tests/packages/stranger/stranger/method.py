from dataclasses import dataclass

from benchbase import Method, Selection, hookimpl


@dataclass(frozen=True)
class GeometricMedian(Method):
    """Removes the filters that the others of their layer replace best: those nearest to the layer's geometric median."""

    name = "geometric-median"
    paper = "He et al. Filter Pruning via Geometric Median for Deep Convolutional Neural Networks Acceleration. CVPR 2019"

    def select(self, net, data, budget):
        import torch

        filters = {group: net.filters(group).detach().double() for group in net.groups}
        far = {group: torch.cdist(f, f).sum(1) for group, f in filters.items()}
        return Selection({group.name: sorted(far[group].topk(budget.keep(group)).indices.tolist()) for group in net.groups})


@hookimpl
def bench_methods():
    return [GeometricMedian]
