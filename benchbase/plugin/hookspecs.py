"""The hooks of a plugin. A plugin is a module that an entry point of the group "benchbase" names; it implements those it needs.

Hooks find things and return them; they register nothing, and none of them sits in the training loop. The module imports no torch at
its top level: what needs torch is imported inside functions, networks live in a sibling module. Every example below runs.
"""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click
    from torch import nn

    from benchbase.nets.method import Method
    from benchbase.training.dataset import Dataset
    from benchbase.values.protocol import Metric, Protocol

PROJECT = "benchbase"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def bench_methods() -> list[type[Method]]:
    """Pruning methods: subclasses of `benchbase.Method`, frozen dataclasses whose fields are their hyperparameters.

    >>> from dataclasses import dataclass
    >>> from benchbase import Method, Selection, hookimpl
    >>> @dataclass(frozen=True)
    ... class EveryOther(Method):
    ...     '''Keeps channels evenly spaced.'''
    ...     first: int = 0
    ...     name = "every-other"
    ...     def select(self, net, data, budget):
    ...         return Selection({g.name: [self.first + i * g.width // budget.keep(g) for i in range(budget.keep(g))] for g in net.groups})
    >>> @hookimpl
    ... def bench_methods():
    ...     return [EveryOther]
    """


@hookspec
def bench_models() -> list[Callable[..., nn.Module]]:
    """Networks: functions fn(num_classes, in_channels=3) -> nn.Module with fresh weights. Underscores of the name read as dashes.
    One that has a parameter image_size as well is told the (height, width) of the images.

    A module with a method init_weights(module) has it called on every submodule when a pruned form of it is initialised afresh.

    >>> from benchbase import hookimpl
    >>> def tiny_net(num_classes, in_channels=3):
    ...     '''One convolution and a linear layer.'''
    ...     from torch import nn
    ...     return nn.Sequential(nn.Conv2d(in_channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes))
    >>> @hookimpl
    ... def bench_models():
    ...     return [tiny_net]
    """


@hookspec
def bench_datasets() -> list[type[Dataset]]:
    """Data sets: subclasses of `benchbase.Dataset`. One with a field `path` is also written NAME:PATH.

    >>> from dataclasses import dataclass
    >>> from benchbase import Dataset, hookimpl
    >>> @dataclass(frozen=True)
    ... class Stripes(Dataset):
    ...     '''Horizontal or vertical stripes.'''
    ...     name = "stripes"
    ...     num_classes = 2
    ...     shape = (1, 8, 8)
    ...     def load(self, root, split):
    ...         import torch
    ...         labels = torch.arange(64) % 2
    ...         rows = (torch.arange(8) % 2).float().expand(8, 8)
    ...         return torch.stack([rows.T if label else rows for label in labels])[:, None], labels
    >>> @hookimpl
    ... def bench_datasets():
    ...     return [Stripes]
    """


@hookspec
def bench_protocols() -> list[Protocol]:
    """Protocols: where the weights of the pruned network start, and which recipe trains them.

    >>> from dataclasses import replace
    >>> from benchbase import Protocol, hookimpl
    >>> def half(base, finetune, dense, pruned):
    ...     return replace(base, epochs=base.epochs // 2)
    >>> @hookimpl
    ... def bench_protocols():
    ...     return [Protocol("scratch-half", "fresh", half, "K1 / 2")]
    """


@hookspec
def bench_metrics() -> list[Metric]:
    """Metrics beside accuracy and cost: instances of `benchbase.Metric`. evaluation.dense is the unpruned network,
    evaluation.batches() yields the test split.

    >>> from benchbase import Metric, hookimpl
    >>> class Agreement(Metric):
    ...     '''How often the pruned network says what the unpruned one says.'''
    ...     name, unit, better = "agreement", "%", "higher"
    ...     def measure(self, model, evaluation):
    ...         same = [(model(x).argmax(1) == evaluation.dense(x).argmax(1)).float().mean() for x, _ in evaluation.batches()]
    ...         return 100 * float(sum(same) / len(same))
    >>> @hookimpl
    ... def bench_metrics():
    ...     return [Agreement()]
    """


@hookspec
def bench_budgets() -> list[Path]:
    """Budgets by name: paths of YAML files, each a table name -> `ratio`, `ratios`, `widths`, `macs`, `params` or `dropped`, with `scope`; `model` and
    `source` say for people what it was made for.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from benchbase import hookimpl
    >>> file = Path(tempfile.mkdtemp()) / "ours.yaml"
    >>> _ = file.write_text("gentle: {ratio: 0.1, scope: inner, source: our paper}")
    >>> @hookimpl
    ... def bench_budgets():
    ...     return [file]
    """


@hookspec(firstresult=True)
def bench_open_model(name: str) -> Callable[..., nn.Module] | None:
    """The builder of a model that is not listed, by its whole name ("timm:resnet50"); None for names of others.

    >>> from benchbase import BenchError, hookimpl
    >>> def linear(num_classes, in_channels=3):
    ...     from torch import nn
    ...     return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))
    >>> @hookimpl
    ... def bench_open_model(name):
    ...     library, colon, inner = name.partition(":")
    ...     if library != "ours":
    ...         return None
    ...     if inner != "linear":
    ...         raise BenchError(f"ours has no model {inner!r}", "it has: linear")
    ...     return linear
    """


@hookspec
def bench_executors() -> list[Any]:
    """Ways to run the cells of a sweep: objects with a `name` and run(make, count, jobs), which yields (index, result) as cells end.

    make() gives, in the process that calls it, the function that runs one cell by its index. It pickles. An executor with `in_process`
    True calls it in the process that runs the sweep, which has the suite open already.

    An executor for many machines has pool(make, room, tell) instead, a context manager: its value's give(step) takes a stage that can run,
    ended() waits for some and returns (step, result) of each. make(tell) gives the function that runs a step; `room` says what a stage
    takes (cpus, gpus, memory), the environment of its process, the seconds that it has when it is interrupted, and the cluster's address.
    A stage whose worker was lost may run again, or its result is a BenchError.

    >>> from benchbase import hookimpl
    >>> class Backwards:
    ...     '''One cell after another, the last one first.'''
    ...     name = "backwards"
    ...     def run(self, make, count, jobs):
    ...         work = make()
    ...         for index in reversed(range(count)):
    ...             yield index, work(index)
    >>> @hookimpl
    ... def bench_executors():
    ...     return [Backwards()]
    """


@hookspec
def bench_commands(cli: click.Group) -> list[click.Command]:
    """Further verbs of the command `bench`. `cli` is its group, to look at: a verb that it has already is an error.

    >>> import click
    >>> from benchbase import hookimpl
    >>> @click.command()
    ... def hello():
    ...     '''Say hello.'''
    ...     click.echo("hello")
    >>> @hookimpl
    ... def bench_commands(cli):
    ...     return [hello]
    """


@hookspec
def bench_suites() -> list[Path]:
    """Suites by name: paths of YAML files, run as `bench run NAME`. A suite's name is its file's, its first comment what it is.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from benchbase import hookimpl
    >>> file = Path(tempfile.mkdtemp()) / "quick.yaml"
    >>> _ = file.write_text("# Two methods, one seed.\\nmethods: [l1-norm, random]\\nseeds: 0\\n")
    >>> @hookimpl
    ... def bench_suites():
    ...     return [file]
    """


@hookspec
def bench_stage_done(event: Any) -> None:
    """Called after every stage, run or found in the store: event.kind, event.label, event.cached, event.seconds, event.key, and
    event.numbers: what of its result is a plain number, as top1, top5 and loss of kind "measure".

    For progress displays and trackers; what it raises is reported and stops nothing. Always in the process of the command.

    >>> from benchbase import hookimpl
    >>> seen = []
    >>> @hookimpl
    ... def bench_stage_done(event):
    ...     seen.append((event.kind, event.seconds))
    """


@hookspec
def bench_epoch_done(event: Any) -> None:
    """Called after every epoch that is trained: event.label and event.key of the training, event.epoch (from 1 to event.epochs), event.loss
    (the mean of its steps' losses) and event.rate (the learning rate at its end).

    It sees numbers, never the network: nothing that it does reaches a result or a key. Else as `bench_stage_done`.

    >>> from benchbase import hookimpl
    >>> curve = []
    >>> @hookimpl
    ... def bench_epoch_done(event):
    ...     curve.append((event.epoch, event.loss))
    """


@hookspec
def bench_sweep_begins(cells: int) -> None:
    """Called once before a sweep of so many cells, for observers that must open something. A BenchError ends the command: it says that
    what the user switched on cannot be done. Anything else that it raises is reported and stops nothing.

    >>> import os
    >>> from benchbase import BenchError, hookimpl
    >>> @hookimpl
    ... def bench_sweep_begins(cells):
    ...     if "MY_LOG" in os.environ and not os.access(os.environ["MY_LOG"], os.W_OK):
    ...         raise BenchError("MY_LOG is no file that can be written", "name another one, or unset MY_LOG")
    """
