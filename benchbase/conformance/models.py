"""Checks of a network: it is made for any classes and channels, with fresh weights, and the core can read, cut and rebuild it."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchbase.conformance import fields
from benchbase.conformance.finding import Unchecked
from benchbase.errors import BenchError, raised
from benchbase.nets import seeded, solve
from benchbase.nets.cut import Chosen, cut
from benchbase.nets.graph import Trace, read
from benchbase.nets.net import Net, private_copy
from benchbase.nets.prune import architecture_after
from benchbase.nets.rebuild import rebuild
from benchbase.nets.weights import digest_of
from benchbase.plugin.manager import Offer
from benchbase.plugin.opening import opened
from benchbase.values.architecture import Architecture
from benchbase.values.selection import Selection

Pairs = Iterator[tuple[str, str]]
SIZES = (8, 32, 64, 224)  # of images, smallest first: a network is looked at on the first that it takes
FORMS = ((10, 3), (7, 1))  # classes, channels
ALIKE = 1e-4  # of outputs of one image alone and in a batch


@dataclass(frozen=True)
class Subject:
    """A model with what its checks share. root: the folder of downloaded data, which no model reads."""

    offer: Offer
    root: Path

    def make(self, classes: int = FORMS[0][0], channels: int = FORMS[0][1], seed: int = 0, size: int = 0) -> nn.Module:
        """A new network, drawn from `seed`, for images of `size` x `size` (0: the size that it takes)."""
        size = size or self.size
        with seeded.seeded(seed):
            return opened(self.offer.value, classes, (channels, size, size))

    @cached_property
    def model(self) -> nn.Module:
        """One of them in eval mode, to look at."""
        return self.make().eval()

    @cached_property
    def size(self) -> int:
        """Of the images that it takes."""
        why = ""
        for size in SIZES:
            try:
                with torch.no_grad():
                    self.make(size=size).eval()(noise(2, FORMS[0][1], size))
                return size
            except Exception as error:  # noqa: BLE001 -- too small for its strides, in whatever words
                why = raised(error)
        raise BenchError(f"it runs on none of the images of {', '.join(map(str, SIZES))} pixels: {why}", "take images (n, in_channels, height, width)")

    @cached_property
    def trace(self) -> Trace:
        """The network read."""
        return read(self.model, noise(2, FORMS[0][1], self.size))

    @cached_property
    def halved(self) -> tuple[nn.Module, Architecture]:
        """It with the later half of each group gone, and its architecture. Raises BenchError where it cannot be cut."""
        example = noise(2, FORMS[0][1], self.size)
        groups = solve.in_scope(self.trace.groups, "all")
        kept = {g.name: tuple(range(max(g.width // 2, 1))) for g in groups}
        chosen = Chosen(Net(private_copy(self.model), self.trace, torch.Generator().manual_seed(0), groups), Selection(kept))
        small = cut(chosen, example)
        dense = Architecture(self.offer.name, FORMS[0][0], tuple(example.shape[1:]))  # type: ignore[arg-type]
        return small.model, architecture_after(dense, self.model, small.model, chosen.selection, groups)


def noise(count: int, channels: int, size: int) -> Tensor:
    """Images of noise, the same every time."""
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def builds(subject: Subject) -> Pairs:
    """For several numbers of classes and channels it gives logits, in eval and in train mode, and gradients."""
    for classes, channels in FORMS:
        try:
            wrong = _wrong(subject.make(classes, channels), classes, noise(2, channels, subject.size))
        except BenchError:
            raise
        except Exception as error:  # noqa: BLE001 -- a plugin's code may raise anything
            wrong = f"it raised {raised(error)}", "let both be whatever is asked for"
        if wrong:
            yield f"for {classes} classes and {channels} channels {wrong[0]}", wrong[1]
            return


def _wrong(model: Any, classes: int, images: Tensor) -> tuple[str, str] | None:
    """What is wrong with what it gives, and what to do; None where nothing is."""
    if not isinstance(model, nn.Module):
        return f"it gave {type(model).__name__}, not a network", "return a torch.nn.Module"
    for mode in (False, True):
        out = model.train(mode)(images)
        logits = out[0] if isinstance(out, (tuple, list)) else out
        if not isinstance(logits, Tensor) or tuple(logits.shape) != (len(images), classes):
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            return f"it gave {got} for {len(images)} images in {'train' if mode else 'eval'} mode", "return logits (images, classes)"
    logits.sum().backward()
    if not any(p.grad is not None for p in model.parameters()):
        return "none of its parameters gets a gradient", "compute with its parameters, outside torch.no_grad()"
    return None


def fresh(subject: Subject) -> Pairs:
    """Weights are new ones from torch's generator: equal for equal seeds, and different otherwise."""
    size = subject.size
    with seeded.seeded(0):
        before = seeded.global_state()
        one = digest_of(opened(subject.offer.value, FORMS[0][0], (FORMS[0][1], size, size)).state_dict())
        after = seeded.global_state()
    if elsewhere := seeded.moved((*after[:2], *before[2:]), after):
        yield f"its weights are drawn from {elsewhere}", "draw them with torch: torch.nn.init"
    if one != digest_of(subject.model.state_dict()):
        yield "made twice from one seed it has other weights", "draw them from torch's global generator alone, and cache no network"
    elif one == digest_of(subject.make(seed=1).state_dict()):
        yield "its weights are the same whatever the seed", "give it fresh weights: no downloaded or stored ones"


def alone(subject: Subject) -> Pairs:
    """In eval mode an image's logits do not depend on the others of its batch, and the network is left as it was."""
    model, images = private_copy(subject.model), noise(3, FORMS[0][1], subject.size)
    was = digest_of(model.state_dict())
    with torch.no_grad():
        batch, single = model(images), model(images[:1])
    if float((batch[:1] - single).abs().max()) > ALIKE * max(1.0, float(batch.abs().max())):
        yield "in eval mode an image's logits depend on the rest of the batch", "let eval mode use no statistics of the batch and no dropout"
    if digest_of(model.state_dict()) != was:
        yield "evaluating it changes its parameters or buffers", "change buffers in train mode only"


def prunable(subject: Subject) -> Pairs:
    """It can be exported, some of its channels can be removed, and half of all of them removed leaves a network that computes the same."""
    if not subject.trace.groups:
        pin = subject.trace.pins[0].why if subject.trace.pins else "it has no convolutions"
        yield f"none of its channels can be removed: {pin}", "`bench explain --model NAME --dataset D` shows what pins them"
        return
    assert subject.halved


def rebuilds(subject: Subject) -> Pairs:
    """Cut to half, it is made again with fresh weights by its own initialisers."""
    if not subject.trace.groups:
        raise Unchecked("none of its channels can be removed")
    small, architecture = subject.halved
    made = rebuild(architecture, 0, open_model=lambda a: opened(subject.offer.value, a.num_classes, a.shape))
    shapes = {n: tuple(t.shape) for n, t in small.state_dict().items()}
    if wrong := next((n for n, t in made.model.state_dict().items() if shapes.get(n) != tuple(t.shape)), None):
        yield f"rebuilt with fresh weights it has another shape of {wrong}", "keep sizes in parameters and modules, not in code"
    if made.guessed:
        yield (f"how {len(made.guessed)} of its weights are initialised is not known ({made.guessed[0]}, ...)",
               "use torch.nn.init or the layers' own initialisation, or give the model init_weights(self, module)")


CHECKS: tuple[tuple[str, Any], ...] = (
    ("name", lambda s: fields.named(s.offer)), ("docs", lambda s: fields.documented(s.offer)), ("builds", builds), ("fresh-weights", fresh),
    ("each-image-alone", alone), ("prunable", prunable), ("rebuilds", rebuilds))
