"""A script for SLURM: an array of jobs for each level of a plan, one stage a task, and a last job that gathers."""
from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from benchbase.cli.output import count, out
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.flow.levels import Named
    from benchbase.flow.settings import Settings
    from benchbase.plugin.manager import Plugins
    from benchbase.values.spec import Suite

PLANS_ONLY = ("sbatch", "as_json", "quiet", "dry_run", "time_limit", "store", "data", "leaderboard", "device", "precision")
ARRAY = 1000  # tasks of one array: SLURM takes no index above 1000 unless it is told otherwise
SCRIPT = """\
#!/usr/bin/env bash
# Written by `bench plan --sbatch`. On a machine that submits jobs:
#
#     bash {name} --time=2:00:00 --mem=8G
#
# What follows the name is for every job, as sbatch takes it. The stages are arrays of jobs, level by level: all of a level can run side by side
# once those below it have ended. A stage that fails is recorded, and what does not need it goes on (afterany); the last job gathers: it runs
# what is left and writes the records.
set -euo pipefail
cd -- {folder}
# shellcheck disable=SC2016  # what is quoted is meant as it stands
bench=({bench})
sizes=({sizes})
keys=(
{keys}
)

case "${{1:-}}" in
task) exec "${{bench[@]}}" --stage "${{keys[$2 + SLURM_ARRAY_TASK_ID]}}" ;;
gather) exec "${{bench[@]}}" ;;
esac

after=()
first=0
for size in "${{sizes[@]}}"; do
    ids=
    end=$((first + size))
    while ((first < end)); do
        tasks=$((end - first < {array} ? end - first : {array}))
        id=$(sbatch --parsable --job-name=bench --cpus-per-task={threads} --array="0-$((tasks - 1))" "${{after[@]}}" "$@" -- {script} task "$first")
        ids+=":${{id%%;*}}"
        first=$((first + tasks))
    done
    after=("--dependency=afterany$ids")
done
sbatch --parsable --job-name=bench-gather --cpus-per-task={threads} "${{after[@]}}" "$@" -- {script} gather
"""


def write_sbatch(file: Path, suite: Suite, settings: Settings, plugins: Plugins, context: click.Context) -> int:
    """Write the script and tell how to submit it. Raises BenchError for what no job could do, and a file that cannot be written."""
    from benchbase.flow.levels import levels
    from benchbase.flow.named import check_alone
    from benchbase.flow.run import open_suite

    check_alone(settings)
    bench = open_suite(suite, settings, plugins)
    found = levels(bench.cells, bench.machine, bench.do)
    machine = [f"--device={bench.machine.device}", f"--precision={bench.machine.precision}"]  # keys depend on them: no job is to choose
    try:
        file.write_text(script(file.absolute(), [*words_of(context, settings), *machine], found, settings.threads), encoding="utf-8")
    except OSError as error:
        raise BenchError(f"cannot write {file}: {error.strerror or error}", "name a file in a folder that is there") from None
    out(f"{file}: {count(sum(map(len, found)), 'stage')} in {count(len(found), 'level')}, then a job that gathers")
    out(f"submit it: bash {shlex.quote(str(file))} --time=2:00:00 --mem=8G")
    return 0


def script(file: Path, command: Sequence[str], found: Sequence[Sequence[Named]], threads: int) -> str:
    """The script's text. file: where it is going to be.  command: `bench run` with its arguments.  found: the levels."""
    keys = [f"    {named.key}  # {number}: {comment(named)}" for number, level in enumerate(found, 1) for named in level]
    return SCRIPT.format(name=shlex.quote(file.name), folder=shlex.quote(str(Path.cwd())), bench=shlex.join(command),
                         sizes=" ".join(str(len(level)) for level in found), keys="\n".join(keys), script=shlex.quote(str(file)), threads=threads, array=ARRAY)


def comment(named: Named) -> str:
    """What a stage is, in one line."""
    return " ".join(f"{named.place.kind} {named.place.label}".split())


def words_of(context: click.Context, settings: Settings) -> list[str]:
    """`bench run` with the arguments that a `bench plan` was given, its folders as they are here."""
    folders = [word for name in ("store", "data", "leaderboard") for word in (f"--{name}", str(getattr(settings, name).expanduser().absolute()))]
    given = [parameter for parameter in context.command.params if parameter.name not in PLANS_ONLY
             and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE]
    arguments = [str(context.params[str(p.name)]) for p in given if isinstance(p, click.Argument)]
    options = [word for p in given if isinstance(p, click.Option) for word in option_words(p, context.params[str(p.name)])]
    return [shutil.which("bench") or "bench", "run", *arguments, *options, *folders]


def option_words(option: click.Option, value: Any) -> list[str]:
    """An option with its value, as it is written on a command line."""
    flag = max(option.opts, key=len)
    if option.is_flag:
        return [flag] * bool(value)
    return [word for one in (value if option.multiple else [value]) for word in (flag, str(one))]
