"""`bench patterns`: where pruned networks keep their channels, as a budget for others."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import columns, count, out, print_json
from benchbase.errors import BenchError
from benchbase.plugin.opening import opened

if TYPE_CHECKING:
    from benchbase.plugin.manager import Plugins
    from benchbase.values.architecture import Architecture
    from benchbase.values.pattern import Layer
    from benchbase.values.record import Record


@click.command("patterns")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", shell_complete=complete.files)
@click.option("-m", "--method", metavar="NAME", shell_complete=complete.methods, help="Of records: those of this method.")
@click.option("--budget", metavar="B", shell_complete=complete.budgets, help="Of records: those of this budget, as tables name it.")
@click.option("--dataset", metavar="NAME", shell_complete=complete.datasets, help="Of records: those on this data set.")
@click.option("--per", type=click.Choice(["stage", "layer"]), default="stage", show_default=True,
              help="Average over the layers of one map size, or layer by layer.")
@click.option("--model", metavar="NAME", shell_complete=complete.models, help="The network to design.  [default: the one that was pruned]")
@click.option("--random", "seed", type=click.IntRange(min=0), metavar="SEED", help="A control: as many channels, spread at random.")
@click.option("--out", "file", metavar="B.yaml", shell_complete=complete.files, help="Write the design as a budget that --budget reads.")
@click.option("--curves", metavar="FILE", shell_complete=complete.files,
              help="Draw instead what networks reach from scratch over their parameters, a curve for each way to find "
              "widths: FILE.svg, .png or .html.")
@click.option("--protocol", default="scratch-e", show_default=True, metavar="NAME", shell_complete=complete.offered("protocols"),
              help="Of the records whose curves are drawn.")
@json_option
@traceback_option
def command(sources: tuple[str, ...], per: str, model: str | None, seed: int | None, file: str | None, curves: str | None, protocol: str,
            as_json: bool, **wanted: str | None) -> None:
    """Average where pruned networks of one kind keep their channels, and make a budget of it: guided pruning (Liu et al. 2019, section 5).

    SOURCE is a record, a folder of records, a leaderboard, or a pruned folder (`bench prune`). Networks are counted once, however many
    protocols they were trained by. Networks whose single weights were pruned come as pruned folders: counted are the weights of each
    layer, and for 3 x 3 kernels the part of each of the nine positions that stays.

    \b
    Examples:
      bench patterns leaderboard -m network-slimming --budget 0.7 --dataset cifar10 --out guided.yaml
      bench run -m random --budget guided.yaml --dataset cifar100 --model vgg19 --protocol scratch-e
      bench patterns leaderboard -m network-slimming --budget 0.7 --model vgg16 --out guided-vgg16.yaml
      bench patterns leaderboard --dataset cifar10 --curves search.svg
    """
    if curves:
        say_curves(sources, wanted, protocol, Path(curves), as_json)
        return
    from benchbase.plugin.manager import load_plugins

    plugins = load_plugins()
    made = pattern(plugins, list(found(sources, wanted)), per, model, seed)
    if file:
        write(made, Path(file))
    if as_json:
        print_json(document(made, file))
    else:
        out(text(made, file))


def say_curves(sources: Iterable[str], wanted: dict[str, str | None], protocol: str, file: Path, as_json: bool) -> None:
    """Draw the curves of records, and print their points."""
    from dataclasses import asdict

    from benchbase.board.search import draw, points
    from benchbase.values.record import load_records

    records = [r for source in sources for r in load_records(Path(source)) if all(v in (None, of_record(r)[k]) for k, v in wanted.items())]
    found = points(records, protocol)
    draw(found, f"{records[0].dataset.name} · {records[0].model} · {protocol}", file)
    if as_json:
        print_json({"points": [asdict(point) for point in found], "file": str(file)})
    else:
        rows = [(p.way, p.size, f"{p.params:,.0f}", f"{p.top1:.2f}" + (f" ±{p.std:.2f}" if p.std is not None else ""), f"n {p.n}") for p in found]
        out("\n".join([*columns([("widths by", "size", "not zero", "top-1, %", ""), *rows]), f"written to {file}"]))


def of_record(record: Record) -> dict[str, str]:
    """What records are chosen by."""
    return {"method": record.method.name, "budget": str(record.budget.get("name", "")), "dataset": record.dataset.name}


@dataclass(frozen=True)
class Source:
    """One pruned network. kept: layer -> what stays.  nine: map size -> (kernels, how often each of the nine positions stays), of masks."""

    architecture: Architecture
    kept: dict[str, int]
    masks: bool = False
    nine: tuple[tuple[str, int, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Pattern:
    """What was found, and the design. parts: of each stage or layer, what stays.  kernels: stage -> the nine positions' parts, row by row."""

    networks: int
    source: str
    target: str
    per: str
    parts: dict[str, float]
    widths: dict[str, int]
    scope: str
    kernels: dict[str, list[float]]


def found(sources: Iterable[str], wanted: dict[str, str | None]) -> Iterator[Source]:
    """The networks in records and pruned folders, each once. Raises BenchError for what is neither."""
    from benchbase.nets.folder import ARCHITECTURE, read_json
    from benchbase.values.architecture import architecture_of

    for text_ in sources:
        path = Path(text_)
        if (path / ARCHITECTURE).is_file():
            yield in_folder(path, architecture_of(read_json(path / ARCHITECTURE)))
        else:
            yield from in_records(path, wanted)


def in_records(path: Path, wanted: dict[str, str | None]) -> Iterator[Source]:
    """The networks of the records that are asked for, one a budget and seed. Raises BenchError where they are of several kinds."""
    from benchbase.values.architecture import architecture_of
    from benchbase.values.record import load_records

    kinds: dict[str, set[str]] = {"method": set(), "budget": set(), "dataset": set()}
    seen = {}
    for record in load_records(path):
        own = of_record(record)
        if record.protocol.startswith("unpruned") or any(value not in (None, own[key]) for key, value in wanted.items()):
            continue
        for key, value in own.items():
            kinds[key].add(value)
        seen[record.digests.architecture, record.seed] = record
    for key, values in kinds.items():
        if len(values) > 1:
            raise BenchError(f"{path} has records of several {key}s: {', '.join(sorted(values)[:6])}", f"say which with --{key}")
    if not seen:
        raise BenchError(f"{path} has no such records", "ask for a method, budget and data set that it has")
    for record in seen.values():
        if record.architecture.masks:
            raise BenchError(f"the records of {record.method.name} hold no masks, only their digests", "name pruned folders: bench prune --out DIR")
        architecture = architecture_of(record.architecture.model_dump(mode="json"))
        yield Source(architecture, dict(architecture.widths))


def in_folder(path: Path, architecture: Architecture) -> Source:
    """The network of a pruned folder; of masks, what stays of each weight."""
    from benchbase.nets.folder import read_selection

    masks = read_selection(path).masks
    if not masks:
        return Source(architecture, dict(architecture.widths))
    nine = tuple((name, mask.shape[0] * mask.shape[1], tuple(int(n) for n in mask.sum((0, 1)).flatten())) for name, mask in masks.items()
                 if tuple(mask.shape[2:]) == (3, 3))
    return Source(architecture, {name: int(mask.sum()) for name, mask in masks.items()}, True, nine)


def pattern(plugins: Plugins, networks: Sequence[Source], per: str, model: str | None, seed: int | None) -> Pattern:
    """The average of the networks, and the design after it. Raises BenchError where they are not of one network."""
    from benchbase.values.pattern import at_random, by_layer, by_stage, in_order, spread, stages

    first = networks[0].architecture
    if any((s.architecture.model, s.masks) != (first.model, networks[0].masks) for s in networks):
        raise BenchError("the pruned networks are not of one kind", "give records and folders of one model, channels or weights")
    masks = networks[0].masks
    source, name = layers(plugins, first, first.model, masks), model and plugins.model_name(model) or first.model
    target = source if name == first.model else layers(plugins, first, name, masks)
    kept = [{n: c for n, c in s.kept.items() if c or masks} for s in networks]
    if per == "layer":
        parts = by_layer(source, kept)
        widths = in_order(target, parts)
    else:
        shares = by_stage(source, kept)
        parts = {f"stage {i + 1}, {count(len(stage), 'layer')}": share for i, (share, stage) in enumerate(zip(shares, stages(source)))}
        widths = spread(shares, target)
    if seed is not None:
        share = sum(by_layer(source, kept)[layer.name] * layer.width for layer in source) / sum(layer.width for layer in source)
        widths = at_random(target, share, seed)
    return Pattern(len(networks), first.model, name, per, parts, widths, "" if masks else "all", kernels(networks, source))


def layers(plugins: Plugins, like: Architecture, model: str, masks: bool) -> list[Layer]:
    """What can be pruned in the dense network: its groups, or the weights of its convolutions; with the size of their maps."""
    import torch

    from benchbase.nets.graph import read
    from benchbase.values.pattern import Layer

    net = opened(plugins.model(model), like.num_classes, like.shape)
    trace = read(net, torch.randn(2, *like.shape, generator=torch.Generator().manual_seed(0)))
    places = dict(trace.positions)
    if masks:
        return [Layer(name, p.numel(), places[name]) for name, p in net.named_parameters() if p.ndim == 4 and name in places]
    return [Layer(g.name, g.width, next((places[f"{p}.weight"] for p in g.producers if f"{p}.weight" in places), 1)) for g in trace.groups]


def kernels(networks: Sequence[Source], source: Sequence[Layer]) -> dict[str, list[float]]:
    """Stage -> the part of each of the nine positions of a 3 x 3 kernel that stays, averaged over its kernels and over networks."""
    from benchbase.values.pattern import stages

    averages = {}
    for i, stage in enumerate(stages(source)):
        own = {layer.name for layer in stage}
        rows = [(number, counts) for s in networks for name, number, counts in s.nine if name in own]
        if rows:
            averages[f"stage {i + 1}"] = [sum(counts[k] for _, counts in rows) / sum(number for number, _ in rows) for k in range(9)]
    return averages


def write(made: Pattern, file: Path) -> None:
    """The design as a budget's YAML file. Raises BenchError where the file cannot be written, or is there."""
    import yaml

    if file.suffix not in (".yaml", ".yml"):
        raise BenchError(f"{file} is no YAML file by its name", "give --out a name that ends in .yaml, so that --budget reads it")
    said = {"model": made.target, "source": f"{count(made.networks, 'pruned network')} of {made.source}, by {made.per}", "scope": made.scope or None,
            "widths": made.widths}
    try:
        with file.open("x", encoding="utf-8") as stream:
            yaml.safe_dump({key: value for key, value in said.items() if value}, stream, sort_keys=False, width=140)
    except FileExistsError:
        raise BenchError(f"{file} exists", "give another file with --out, or remove it first") from None
    except OSError as error:
        raise BenchError(f"cannot write {file}: {error.strerror}", "give a file that can be written with --out") from None


def document(made: Pattern, file: str | None) -> dict[str, Any]:
    """What `bench patterns --json` says."""
    return {"networks": made.networks, "source": made.source, "model": made.target, "per": made.per, "kept": made.parts, "widths": made.widths,
            "kernels": made.kernels, "file": file}


def text(made: Pattern, file: str | None) -> str:
    """The pattern and the design for people."""
    lines = [f"{count(made.networks, 'pruned network')} of {made.source}: what stays by {made.per}",
             *columns([(name, f"{100 * part:.1f} %", bar(part)) for name, part in made.parts.items()])]
    for stage, nine in made.kernels.items():
        lines += ["", f"3 x 3 kernels, {stage}: what stays of each position, %",
                  *columns([tuple(f"{100 * part:.1f}" for part in nine[row:row + 3]) for row in (0, 3, 6)])]
    lines += ["", f"{made.target} after it", *columns([(name, f"{width:,}") for name, width in made.widths.items()])]
    return "\n".join([*lines, *([f"written to {file}"] if file else [])])


def bar(part: float, width: int = 30) -> str:
    """A part of 1 as a bar."""
    return "█" * round(part * width)
