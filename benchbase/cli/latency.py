"""`bench latency`: how much faster pruned networks are than their dense ones."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, machine_options, quiet_option, settings_from, traceback_option
from benchbase.cli.output import columns, count, err, out, print_json
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.flow.latency import Subject
    from benchbase.flow.tools import Tools
    from benchbase.plugin.manager import Plugins
    from benchbase.values.latency import Latency, Quartiles

BUSY = 0.5  # processes that want a core, in the mean of the last minute, from which the machine has other work


@click.command("latency")
@click.argument("sources", nargs=-1, metavar="[RECORD.json|FOLDER]...", shell_complete=complete.files)
@click.option("-m", "--method", metavar="NAME[P=V,...]", shell_complete=complete.methods, help="Instead: what this method leaves of --model on --dataset at "
              "--budget. No training is needed where the budget says all widths.")
@click.option("--model", metavar="NAME", shell_complete=complete.models, help="The model.")
@click.option("--dataset", metavar="NAME", shell_complete=complete.datasets, help="The data set: shape and classes.")
@click.option("--budget", metavar="B", shell_complete=complete.budgets, help="How much to remove: 0.5, macs=0.5, 0.37[round_to=8], a name or a YAML file.")
@click.option("--batch", "batches", type=click.IntRange(min=1), multiple=True, metavar="N", default=(1, 64), show_default=True, help="Images of a pass. Repeatable.")
@click.option("--mode", type=click.Choice(["eager", "compiled", "both"]), default="both", show_default=True,
              help="compiled: by torch.compile, which needs a C++ compiler and takes up to minutes a network.")
@click.option("--pairs", type=click.IntRange(min=3), default=30, show_default=True, metavar="N", help="Timings of each network.")
@machine_options
@json_option
@quiet_option
@traceback_option
def command(sources: Sequence[str], batches: Sequence[int], mode: str, pairs: int, as_json: bool, quiet: bool, **given: Any) -> None:
    """Time pruned networks beside their dense ones: forward passes in eval mode, in turn, after a warm-up, in one process. Of the ratio pruned / dense
    the median over the pairs is printed, with its quartiles; below 1 the pruned network is the faster one.

    The networks are those of records or of folders that `bench prune` wrote (a folder of records: all of them, each architecture once), or what a
    budget makes of a model. Times depend on shapes, not on weights, which are fresh: no store is needed. Masks make nothing faster, so that
    masked networks are left out.

    Nothing else should run meanwhile: neither `bench run` nor anybody's work. What ran in the last minute is said. Ratios hold for this machine
    alone; they are written into no record, and no table ranks by them.

    \b
    Examples:
      bench latency leaderboard/v1/records/digits/vgg-digits/thinet
      bench latency pruned/ --batch 1 --batch 256 --mode eager --threads 4      (after bench prune ... --out pruned)
      bench latency -m l1-norm --model vgg16 --dataset cifar10 --budget '0.37[round_to=8]'
    """
    from benchbase.flow.latency import distinct, timed
    from benchbase.flow.tools import Tools
    from benchbase.plugin.manager import load_plugins
    from benchbase.training.machine import machine_of
    from benchbase.values.latency import MODES

    load, plugins, settings = os.getloadavg()[0], load_plugins(), settings_from(given)
    tools = Tools(plugins, machine_of(settings.device, settings.precision, settings.threads), settings.data)
    subjects = distinct(asked(sources, given, plugins, tools))
    if load >= BUSY:
        err(f"this machine has other work (load {load:.1f} in the last minute, {count(os.cpu_count() or 1, 'core')}): ratios may be off; time it when it is idle")
    results: list[tuple[Subject, list[Latency]]] = []
    skipped = ""
    for subject in subjects:
        results.append((subject, []))
        for one in timed(subject, tools, dict.fromkeys(batches), [m for m in MODES if mode in (m, "both")], pairs):
            if isinstance(one, BenchError):
                if mode == "compiled":
                    raise BenchError(one.what, one.todo)
                skipped = one.what
                continue
            results[-1][1].append(one)
            if not quiet:
                err(f"{subject.name}: {one.mode}, batch {one.batch}: {shown(one.ratio)}")
    if skipped:
        err(f"eager networks only: {skipped}")
    if as_json:
        print_json(document(results, tools.machine, load, skipped))
    else:
        out(text(results, tools.machine))


def asked(sources: Sequence[str], given: dict[str, Any], plugins: Plugins, tools: Tools) -> list[Subject]:
    """The networks that the arguments name. Raises BenchError where they name none, or in both ways."""
    from benchbase.flow.latency import by_budget, in_path
    from benchbase.values.architecture import Architecture

    names = [given[name] for name in ("method", "model", "dataset", "budget")]
    if sources and any(names):
        raise BenchError("records or folders, and a model with a budget, are given at once", "give one of the two")
    if sources:
        return [subject for source in sources for subject in in_path(Path(source))]
    if not all(names):
        raise BenchError("there is nothing to time", "give records, folders of `bench prune`, or all of --method, --model, --dataset and --budget")
    method, budget, dataset = plugins.method(given["method"]).value, plugins.budget(given["budget"]), plugins.dataset(given["dataset"]).value
    dense = Architecture(plugins.model_name(given["model"]), dataset.num_classes, tuple(dataset.shape))
    return [by_budget(tools, method, budget, dense, dataset.name)]


def shown(ratio: Quartiles) -> str:
    """A ratio with its quartiles."""
    return f"{ratio.median:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"


def text(results: Sequence[tuple[Subject, list[Latency]]], machine: Any) -> str:
    """A table for each network."""
    from benchbase.flow.environment import device
    from benchbase.values.latency import quartiles

    lines = [f"{device(machine)['name']}, {machine.precision}, {count(machine.threads, 'thread')}; medians, in brackets quartiles"]
    for subject, latencies in results:
        rows: list[tuple[str, ...]] = [("mode", "batch", "dense, ms", "pruned, ms", "pruned / dense", "pairs")]
        rows += [(one.mode, str(one.batch), *(f"{1e3 * quartiles(seconds).median:.3f}" for seconds in (one.dense, one.pruned)), shown(one.ratio),
                  str(len(one.dense))) for one in latencies]
        lines += ["", subject.name + (f", and {subject.alike - 1} of the same architecture" if subject.alike > 1 else ""), *columns(rows)]
    return "\n".join(lines)


def document(results: Sequence[tuple[Subject, list[Latency]]], machine: Any, load: float, skipped: str) -> dict[str, Any]:
    """What --json says. load: of the machine in the minute before.  skipped: why nothing was compiled, "" where it was, or was not asked for."""
    from benchbase.flow.environment import made_with

    return {"networks": [{"name": subject.name, "alike": subject.alike, "architecture": subject.architecture.to_json(),
                          "latency": [one.to_json() for one in latencies]} for subject, latencies in results],
            **made_with(machine), "precision": machine.precision, "threads": machine.threads, "load": load, "cores": os.cpu_count(), "skipped": skipped}
