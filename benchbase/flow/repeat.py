"""A record's cell run again: its suite, from nothing, on a store of its own."""
from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.cells import cells_of
from benchbase.flow.rows import key_in
from benchbase.flow.report import Sweep
from benchbase.flow.run import run_suite
from benchbase.flow.settings import Settings
from benchbase.flow.tools import Tools
from benchbase.plugin.files import split_file
from benchbase.plugin.manager import Plugins
from benchbase.plugin.names import parse_name
from benchbase.training.machine import machine_of
from benchbase.values.record import Record
from benchbase.values.spec import Suite


def suite_for(record: Record, dataset: str = "", method: str = "") -> Suite:
    """The suite of a record's cell: one method, budget, protocol and seed, with the record's recipes.

    dataset: where its images are, as on the command line ("imagefolder:PATH[size=32]"); its name is the record's unless it says another.
    method: the file of one that is not installed, "./mine.py:MyMethod".  Raises BenchError where that is not given and needed.
    """
    names = [record.method.name] * (not method) + [str(record.budget.get("like", ""))]
    if any(split_file(parse_name(name)[0]) for name in names) or (record.method.distribution is None and not method):
        raise BenchError(f"{record.method.name} is out of a file: no record says which code to run", "give the file with --method ./FILE.py:CLASS")
    asked = f"{method or record.method.name}{_brackets(record.method.params)}"
    return Suite((asked,), (record.model,), (named(dataset, record.dataset.name) or record.dataset.name,), (dict(record.budget),), (record.protocol,),
                 (record.seed,), dict(record.recipe), dict(record.finetune_recipe), f"again-{record.key[:12]}")


def named(dataset: str, name: str) -> str:
    """A data set as asked for, under the record's name where it is read from a folder: no folder's name enters a record.

    >>> named("imagefolder:photos[size=32]", "birds"), named("digits", "digits"), named("imagefolder:p[name=b]", "birds")
    ('imagefolder:photos[size=32,name=birds]', 'digits', 'imagefolder:p[name=b]')
    """
    bare, params = parse_name(dataset)
    if ":" not in bare or "name" in params:
        return dataset
    return bare + _brackets({**params, "name": name})


def check_same(record: Record, suite: Suite, settings: Settings, plugins: Plugins) -> None:
    """Raise BenchError, before anything runs, where the suite is not the record's cell on this machine: other data, another version."""
    tools = Tools(plugins, machine_of(settings.device, settings.precision, settings.threads), settings.data)
    (cell,) = cells_of(suite, plugins, tools)
    if cell.work.data.fingerprint != record.dataset.fingerprint:
        raise BenchError(f"{suite.datasets[0]} is not the data of the record: fingerprint {cell.work.data.fingerprint[:12]}, there "
                         f"{record.dataset.fingerprint[:12]}", "give its data with --dataset, as in 'imagefolder:PATH[size=32,per_class=1000]'")
    if key_in(cell, plugins.protocol(record.protocol)) != record.key:
        was, now = record.method, cell.method
        why = f"{was.name} is of version {now.version} here, {was.version} there" if was.version != now.version else \
            "the method, its parameters or the recipe are others here"
        here = f"{was.distribution} {was.distribution_version}" if was.distribution else "the file that it was run from, with --method"
        raise BenchError(f"the cell is another one here: {why}", f"install {here}")


def again(record: Record, suite: Suite, settings: Settings, plugins: Plugins, observe: Any = lambda event: None,
          watch: Any = lambda running: None) -> Sweep:
    """Run the suite from nothing, its record written below settings.leaderboard: its stages lie in a store of their own beside the usual one,
    which stays for the same command to go on after an interruption, and is removed else."""
    own = settings.store.with_name(f"{settings.store.name}-again") / record.key[:16]
    sweep = run_suite(suite, replace(settings, store=own), plugins, observe, watch)
    if not sweep.stopped:
        shutil.rmtree(own, ignore_errors=True)
    return sweep


def settings_like(record: Record, settings: Settings, given: Mapping[str, Any]) -> Settings:
    """The settings with the record's device, threads and precision where the flags in `given` don't say others."""
    import torch

    kind = str(record.device.get("type", "cpu"))
    there = kind if kind == "cpu" or torch.cuda.is_available() else "auto"
    return replace(settings, device=given.get("device") or there, precision=given.get("precision") or record.precision,
                   threads=given.get("threads") or record.threads)


def _brackets(params: Mapping[str, Any]) -> str:
    """Parameters as a name carries them."""
    return f"[{','.join(f'{name}={_text(value)}' for name, value in params.items())}]" if params else ""


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
