"""Methods with one fault each."""
from dataclasses import dataclass, field

from benchbase import Method, Selection, hookimpl

CALLS = []


def first(net, budget):
    """A right choice: the first channels."""
    return Selection({g.name: tuple(range(budget.keep(g))) for g in net.groups})


class Sound(Method):
    """Keeps the first channels."""

    paper = "unpublished"

    def select(self, net, data, budget):
        return first(net, budget)


class NoPaper(Sound):
    """Keeps the first channels."""

    name, paper = "no-paper", ""


class Shouted(Sound):
    """Keeps the first channels."""

    name = "My_Method"


class NoDocs(Sound):
    name = "no-docs"


@dataclass(frozen=True)
class SilentParameter(Sound):
    """Keeps the first channels."""

    strength: float = 1.0
    name = "silent-parameter"


@dataclass(frozen=True)
class HiddenParameter(Sound):
    """Keeps the first channels.  strength: of nothing."""

    strength: float = field(default=1.0, metadata={"identity": False})
    name = "hidden-parameter"


@dataclass(frozen=True)
class UntypedParameter(Sound):
    """Keeps the first channels.  table: of nothing."""

    table: dict = field(default_factory=dict)
    name = "untyped-parameter"


@dataclass(frozen=True)
class WrongType(Sound):
    """Keeps the first channels.  images: how many, a number though its default is none."""

    images: int = 0.5
    name = "wrong-type"


@dataclass(frozen=True)
class Remembers(Sound):
    """Keeps the first channels."""

    name = "remembers"

    def __post_init__(self):
        object.__setattr__(self, "seen", {})


class WrongGranularity(Method):
    """Masks the weights below the median."""

    name, paper, target = "wrong-granularity", "unpublished", "automatic"

    def select(self, net, data, budget):
        weights = {n: p.detach().abs() for n, p in net.model.named_parameters() if p.dim() == 4}
        return Selection(masks={n: w > w.median() if w.numel() > 1 else w >= 0 for n, w in weights.items()})


class Raises(Sound):
    """Thinks that every layer is followed by a convolution."""

    name = "raises"

    def select(self, net, data, budget):
        for group in net.groups:
            assert net.consumers(group)[0][1].kernel_size
        return first(net, budget)


class TunesUnsaid(Sound):
    """Trains between its choices and does not declare it."""

    name = "tunes-unsaid"

    def select(self, net, data, budget):
        net.tune(1)
        return first(net, budget)


class Unsorted(Sound):
    """Keeps channels in the order of their norms."""

    name = "unsorted"

    def select(self, net, data, budget):
        return Selection({g.name: net.filters(g).norm(dim=1).argsort()[:budget.keep(g)].tolist() for g in net.groups})


class Rounds(Sound):
    """Computes by itself how many stay."""

    name = "rounds"

    def select(self, net, data, budget):
        return Selection({g.name: tuple(range(min(budget.keep(g) + 1, g.width))) for g in net.groups})


class TooLittle(Sound):
    """An automatic method that removes a tenth whatever is asked."""

    name, target = "too-little", "automatic"

    def select(self, net, data, budget):
        return Selection({g.name: tuple(range(g.width - g.width // 10)) for g in net.groups})


class Counts(Sound):
    """Depends on how often it was called."""

    name = "counts"

    def select(self, net, data, budget):
        CALLS.append(1)
        return Selection({g.name: tuple(sorted((i + len(CALLS)) % g.width for i in range(budget.keep(g)))) for g in net.groups})


class EditsImages(Sound):
    """Normalises the caller's images in place."""

    name = "edits-images"

    def select(self, net, data, budget):
        for images, _ in data:
            images.mul_(2)
        return first(net, budget)


class ReadsTest(Sound):
    """Looks at the test images through what the batches come from."""

    name = "reads-test"

    def select(self, net, data, budget):
        for _ in data._data.data._held_out(8):
            pass
        return first(net, budget)


class DrawsGlobally(Sound):
    """Draws from torch's global generator."""

    name = "draws-globally"

    def select(self, net, data, budget):
        import torch

        return Selection({g.name: sorted(torch.randperm(g.width)[:budget.keep(g)].tolist()) for g in net.groups})


class LeavesTrainMode(Sound):
    """Switches to train mode and not back."""

    name = "leaves-train-mode"

    def select(self, net, data, budget):
        net.model.train()
        return first(net, budget)


class LeavesHooks(Sound):
    """Watches a layer for ever."""

    name = "leaves-hooks"

    def select(self, net, data, budget):
        net.producer(net.groups[0]).register_forward_hook(lambda module, inputs, output: None)
        return first(net, budget)


class Slices(Sound):
    """Cuts the network by itself."""

    name = "slices"

    def select(self, net, data, budget):
        import torch

        layer = net.producer(net.groups[0])
        layer.weight = torch.nn.Parameter(layer.weight[:2].detach().clone())
        return first(net, budget)


class LeavesNan(Sound):
    """Divides by zero."""

    name = "leaves-nan"

    def select(self, net, data, budget):
        net.producer(net.groups[0]).weight.data[0] = float("nan")
        return first(net, budget)


@hookimpl
def bench_methods():
    return [NoPaper, Shouted, NoDocs, SilentParameter, HiddenParameter, UntypedParameter, WrongType, Remembers, WrongGranularity, Raises, TunesUnsaid,
            Unsorted, Rounds, TooLittle, Counts, EditsImages, ReadsTest, DrawsGlobally, LeavesTrainMode, LeavesHooks, Slices, LeavesNan]
