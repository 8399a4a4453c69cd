"""The protocols of "Rethinking the Value of Network Pruning" (Liu et al., ICLR 2019), and their matched forms.

K1, K2: epochs of the base and of fine-tuning. F1, F2: multiply-adds of the dense and of the pruned network. The paper's Scratch-B
leaves the fine-tuning out of the budget on purpose; the matched pair counts everything: both spend
T = K1 F1 (pretraining) + pruning + K1 F2 (retraining), once on inherited and once on fresh weights.

The lottery ticket (Frankle and Carbin, ICLR 2019; the paper's section 6): what pruning chose, with the weights that the base began
with, trained as the base was. `rewind-early` goes back to an early epoch instead, 1/32 of the training (Frankle et al., ICML 2020, rewind
ResNet-20 on CIFAR-10 to iteration 2,000 of 63,000). Their control is scratch-e: the same channels or mask with new weights.
"""
from __future__ import annotations

from dataclasses import replace

from benchbase import Cost, Protocol, Recipe, hookimpl


def same_compute(base: Recipe, finetune: Recipe, dense: Cost, pruned: Cost) -> Recipe:
    """int(K1 x F1/F2) epochs, as in the authors' scripts: of the MACs with nonzero weights, so that masks count."""
    return base.scaled(dense.macs_nonzero / pruned.macs_nonzero)


def capped(base: Recipe, finetune: Recipe, dense: Cost, pruned: Cost) -> Recipe:
    """As `same_compute`, at most twice the epochs: the authors' ImageNet scripts, 180 epochs where F1/F2 >= 2."""
    return base.scaled(min(dense.macs_nonzero / pruned.macs_nonzero, 2.0))


def matched(base: Recipe, finetune: Recipe, dense: Cost, pruned: Cost) -> Recipe:
    """int(K1 x F1/F2 + K1) epochs: what finetune-matched spent on pretraining and retraining, all on fresh weights."""
    return replace(base, epochs=int(base.epochs * dense.macs_nonzero / pruned.macs_nonzero + base.epochs))


def longest(base: Recipe, finetune: Recipe, dense: Cost, pruned: Cost) -> Recipe:
    """The dense network for as many epochs as the longest scratch training, scratch-matched (gate 5)."""
    return matched(base, finetune, dense, pruned)


@hookimpl
def bench_protocols() -> list[Protocol]:
    return [
        Protocol("one-shot", "inherited", lambda base, finetune, dense, pruned: replace(base, epochs=0), "0", recalibrates=True),
        Protocol("finetune", "inherited", lambda base, finetune, dense, pruned: finetune, "K2"),
        Protocol("finetune-matched", "inherited", lambda base, finetune, dense, pruned: base, "K1, the base's schedule again"),
        Protocol("scratch-e", "fresh", lambda base, finetune, dense, pruned: base, "K1"),
        Protocol("scratch-b", "fresh", same_compute, "int(K1 * F1/F2)"),
        Protocol("scratch-b-cap2", "fresh", capped, "int(K1 * min(F1/F2, 2))", cap=2.0),
        Protocol("scratch-matched", "fresh", matched, "int(K1 * F1/F2 + K1) + pruning / F2", charges_pruning=True),
        Protocol("rewind", "rewound", lambda base, finetune, dense, pruned: base, "K1, the base's schedule again from its initial weights"),
        Protocol("rewind-early", "rewound", lambda base, finetune, dense, pruned: base,
                 "K1 - k, the base's schedule from epoch k = max(1, round(K1 / 32)) on, with the base's weights there", rewound_to=1 / 32),
        Protocol("unpruned-long", "unpruned", longest, "int(K1 * F1/F2 + K1), dense"),
    ]
