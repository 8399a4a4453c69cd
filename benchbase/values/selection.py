"""What a method chose."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Selection:
    """The channels, blocks and weights that stay. A group or parameter not named is kept whole.

    kept: group name -> indices of its channels that stay, ascending.  reads: convolution -> input channels it gathers from a
    shared stream.  dropped: residual blocks that become their shortcut.  masks: parameter name -> bool tensor, True stays.
    """

    kept: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    reads: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    masks: Mapping[str, Any] = field(default_factory=dict)
