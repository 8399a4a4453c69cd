"""Networks of torchvision and timm by name: `torchvision:resnet34`, `timm:mobilenetv3_small_100`. Fresh weights, never downloaded ones."""
from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from benchbase import BenchError, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn


@hookimpl
def bench_open_model(name: str) -> Callable[..., nn.Module] | None:
    """The builder of `torchvision:NAME` or `timm:NAME`; None for other names. Raises BenchError for a NAME that the library lacks."""
    library, colon, inner = name.partition(":")
    find = {"torchvision": _torchvision, "timm": _timm}.get(library) if colon else None
    return find(inner) if find else None


def _torchvision(name: str) -> Callable[..., nn.Module]:
    """A builder of one of torchvision's classifiers, weights initialised by its own code."""
    try:
        from torchvision import models
    except ImportError as error:
        raise _missing("torchvision", error) from error
    known = models.list_models(module=models)
    if name not in known:
        raise _unknown("torchvision", name, known)

    def build(num_classes: int, in_channels: int = 3) -> nn.Module:
        own = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}  # left out, they warn
        model = models.get_model(name, weights=None, num_classes=num_classes, **own)
        if in_channels != 3:
            _rechannel_(model, in_channels, name)
        return model

    return build


def _timm(name: str) -> Callable[..., nn.Module]:
    """A builder of one of timm's networks, with as many input channels as asked; one that is made for a single size of images
    (most transformers) for the size asked."""
    try:
        import timm
    except ImportError as error:
        raise _missing("timm", error) from error
    known = timm.list_models()
    if name not in known:
        if name.partition(".")[0] in known:
            raise BenchError(f"'timm:{name}' names trained weights, and models start from fresh ones", f"use timm:{name.partition('.')[0]}")
        raise _unknown("timm", name, known)

    def build(num_classes: int, in_channels: int = 3, image_size: tuple[int, int] | None = None) -> nn.Module:
        own = timm.get_pretrained_cfg(name)
        resized = image_size is not None and own is not None and own.fixed_input_size and tuple(own.input_size[1:]) != image_size
        size = {"img_size": image_size[0] if len({*image_size}) == 1 else image_size} if resized and image_size else {}
        try:
            return timm.create_model(name, pretrained=False, num_classes=num_classes, in_chans=in_channels, **size)
        except Exception as error:
            if in_channels == 3 and not size:
                raise
            what = f"{in_channels} channels" if in_channels != 3 else " x ".join(map(str, image_size or ()))
            todo = "use a data set of 3 channels" if in_channels != 3 else f"use a data set of {own.input_size[1]} x {own.input_size[2]} images"
            raise BenchError(f"timm:{name} does not take images of {what} ({type(error).__name__})", todo) from error

    return build


def _rechannel_(model: nn.Module, channels: int, name: str) -> None:
    """Replace the convolution that reads the image by one that reads `channels`, drawn as torchvision draws most: He, by fan-out."""
    from torch import nn

    for path, conv in model.named_modules():
        if isinstance(conv, nn.Conv2d):
            break
    else:
        raise BenchError(f"torchvision:{name} has no convolution to take {channels} channels", "use a data set of 3 channels")
    if conv.in_channels != 3 or conv.groups != 1:
        raise BenchError(f"torchvision:{name} cannot take {channels} channels: its first convolution {path!r} does not read the image",
                         "use a data set of 3 channels")
    fresh = nn.Conv2d(channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation, 1, conv.bias is not None, conv.padding_mode)
    nn.init.kaiming_normal_(fresh.weight, mode="fan_out", nonlinearity="relu")
    if fresh.bias is not None:
        nn.init.zeros_(fresh.bias)
    model.set_submodule(path, fresh)


def _unknown(library: str, name: str, known: Iterable[str]) -> BenchError:
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    todo = f"did you mean {' or '.join(f'{library}:{n}' for n in near)}?" if near else f"{library}.list_models() names them all"
    return BenchError(f"{library} has no model {name!r}", todo.replace("torchvision.list", "torchvision.models.list"))


def _missing(library: str, error: ImportError) -> BenchError:
    return BenchError(f"{library} cannot be imported: {error}", f"pip install {library}")
