"""What each ATen operation does to channels: a table of small functions, by the operation's name."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchbase.nets.rules import layers, mixing, places, pointwise, shape
from benchbase.nets.rules.call import Call

Rule = Callable[[Call], Any]
RULES: Mapping[str, Rule] = {**layers.RULES, **pointwise.RULES, **mixing.RULES, **shape.RULES, **places.RULES}

__all__ = ["RULES", "Call", "Rule"]
