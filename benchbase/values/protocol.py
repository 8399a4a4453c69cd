"""A protocol: where the weights of the pruned network start, and which recipe trains them."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from benchbase.errors import BenchError, unknown
from benchbase.values.cost import Cost
from benchbase.values.recipe import Recipe

STARTS = ("inherited", "fresh", "rewound", "unpruned")


@dataclass(frozen=True)
class Protocol:
    """One way to get a trained network out of a pruned one; a value, never a script.

    start: "inherited" (the weights that pruning left), "fresh" (a new initialisation), "rewound" (the base's initial weights) or
    "unpruned" (the dense network afresh: a control).
    train: (base recipe, fine-tuning recipe, dense cost, pruned cost) -> the recipe of the retraining.
    formula: the budget of that recipe in words, for the ledger; K1, K2 are base and fine-tuning epochs, F1, F2 dense and pruned MACs.
    charges_pruning: the retraining gets the multiply-adds that pruning cost on top (gate 4).
    recalibrates: batch-norm statistics recomputed on calibration images are measured as well (gate 12).
    cap: the largest F1/F2 that the formula counts, where it has a limit.
    rewound_to: of a "rewound" start, the part of the base's training after which its weights are taken; 0: the initial ones. The
    retraining goes on from that epoch of its recipe.
    """

    name: str
    start: str
    train: Callable[[Recipe, Recipe, Cost, Cost], Recipe]
    formula: str = ""
    charges_pruning: bool = False
    recalibrates: bool = False
    cap: float | None = None
    rewound_to: float = 0.0

    def recipe(self, base: Recipe, finetune: Recipe, dense: Cost, pruned: Cost) -> Recipe:
        """The recipe of the retraining."""
        return self.train(base, finetune, dense, pruned)

    def pinned(self, params: Mapping[str, str]) -> Protocol:
        """This protocol with as many epochs as `params` say, {"epochs": "117"}, in place of its rule; a protocol of its own name.

        Raises BenchError for other parameters, for no count, and for protocols that train no network afresh.
        """
        if unfit := [key for key in params if key != "epochs"]:
            raise unknown("protocol parameter", unfit[0], ["epochs"])
        said = params["epochs"]
        if self.start not in ("fresh", "unpruned"):
            raise BenchError(f"the epochs of {self.name} cannot be pinned", "set those of the base or of fine-tuning: --epochs, --finetune-epochs")
        if not said.isascii() or not said.isdigit() or not 0 < int(said) <= 100_000:
            raise BenchError(f"{self.name}[epochs={said}] is no count of epochs", f"write it like {self.name}[epochs=180]")
        return replace(self, name=f"{self.name}[epochs={int(said)}]", train=lambda base, finetune, dense, pruned: replace(base, epochs=int(said)),
                       formula=f"{int(said)}, as pinned", charges_pruning=False, cap=None)

    def since(self, base: Recipe) -> int:
        """The epoch of the base that a "rewound" start goes back to, whole and at least 1 unless it is the beginning; 0 of other starts."""
        return max(1, round(base.epochs * self.rewound_to)) if self.start == "rewound" and self.rewound_to else 0


class Metric:
    """Something measured on a trained network beside accuracy and cost.

    measure(model, evaluation) -> a finite number; evaluation.dense is the unpruned network, evaluation.batches() the test split.
    """

    name: ClassVar[str]
    unit: ClassVar[str] = ""
    better: ClassVar[str] = "higher"

    def measure(self, model: Any, evaluation: Any) -> float:
        raise NotImplementedError
