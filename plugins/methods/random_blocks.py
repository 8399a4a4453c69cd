"""The control of rows that drop blocks: as many blocks, drawn at random."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchbase import BenchError, Method, Selection, hookimpl

from ._blocks import Blocks


@dataclass(frozen=True)
class RandomBlocks(Method):
    """Drops residual blocks drawn uniformly without replacement, floor(blocks * (1 - ratio)) stay; no weight and no image is looked at.

    `sss@0.34` as budget: as many as sss has dropped. Blocks of one network differ in cost, so that equal counts are not equal
    multiply-adds: what it achieved stands in the row. Blocks that the budget names are dropped as named.
    """

    name: ClassVar[str] = "random-blocks"
    granularity: ClassVar[str] = "block"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    paper: ClassVar[str] = "a control: a choice of blocks should beat it at the same count"

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """Random blocks, drawn from `net.generator` alone, in network order."""
        import torch

        paths = [block.path for block in net.blocks]
        if budget.dropped:
            return Selection(dropped=tuple(path for path in paths if path in budget.dropped))
        if budget.ratio is None:
            raise BenchError("random-blocks counts blocks, and the budget does not", "give a share of the blocks, as 0.34, or those of sss@macs=0.5",
                             kind="not_applicable")
        gone = torch.randperm(len(paths), generator=net.generator)[budget.keep(Blocks(len(paths))):].tolist()
        if not gone:
            raise BenchError(f"a share of {budget.ratio:g} is not one of {len(paths)} blocks", "give a larger share, as 0.34", kind="not_applicable")
        return Selection(dropped=tuple(path for i, path in enumerate(paths) if i in gone))


@hookimpl
def bench_methods() -> list[type]:
    return [RandomBlocks]
