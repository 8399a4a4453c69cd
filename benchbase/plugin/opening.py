"""A dense network from its builder and the images it is for."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def opened(builder: Callable[..., Any], num_classes: int, shape: Sequence[int]) -> nn.Module:
    """The network for images of `shape` (channels, height, width): the builder is told the channels, and (height, width) where it has a
    parameter `image_size`."""
    more = {"image_size": tuple(shape[1:])} if asks_for_size(builder) else {}
    built: nn.Module = builder(num_classes, in_channels=shape[0], **more)
    return built


def asks_for_size(builder: Callable[..., Any]) -> bool:
    """Whether a builder has a parameter `image_size`."""
    try:
        return "image_size" in inspect.signature(builder).parameters
    except (TypeError, ValueError):  # a builtin tells nothing
        return False
