"""Attacks on running sweeps: processes killed at random moments and at each, and several runs at once.

    export OMP_NUM_THREADS=1
    python tests/campaigns/crash.py kills --kills 200 --result FILE      kill -9 during sweeps on digits with 2 workers, until each is done
    python tests/campaigns/crash.py rounds --rounds 20 --result FILE     4 runs at once on one store and one leaderboard
    python tests/campaigns/crash.py moments --result FILE                a small sweep killed before each of its file operations in turn

What came of it is written into FILE, under the attack's name, after every sweep; all go on from what they find there.
Exit code 1 where something was lost.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sweeps import GOES_ON, NEVER, SWEEP, Place, Sweep, compared, repeated, warmed

SMALL = (("l1-norm",), (*SWEEP, "--epochs", "2", "--finetune-epochs", "1"))
WAYS = ("all", "all", "all", "parent", "worker", "server")
SOON = 0.4  # of the time that a sweep takes alone: no process lives longer until its sweep is done, so that the moments are spread over the work
Result = dict[str, Any]
Report = Callable[[Result], None]


def kills(root: Path, count: int, before: Result, report: Report) -> Result:
    """kill -9 at `count` random moments of sweeps with 2 workers, each given again until it is done, and held against one never killed.

    Kills count once their sweep is done and compared.  before: the result to go on from.
    """
    warmed(root)
    whole = Place(root / "whole")
    running = whole.start("--jobs", "2")
    running.begun()
    started = time.monotonic()
    said, alone = running.ended(), time.monotonic() - started
    want, need = whole.records(), len(set(whole.epochs()))
    result: Result = {"kills": 0, "killed": {}, "kills_by_tenth_of_the_work": [0] * 10, "kills_amid_a_stage": 0, "sweeps": 0,
                      "records_each": len(want), "epochs_each": need, "went_on_from_checkpoints": 0, "epochs_trained_again": 0,
                      "epochs_lost_at_most_by_one_stage_at_once": 0, "damaged_files": 0,
                      "wrong": [] if want else [f"no records of the sweep that nobody killed: {said[-500:]}"], **before}
    while result["kills"] < count and not result["wrong"]:
        place = Place(root / f"sweep-{result['sweeps']}")
        result = added(result, *killed(place, min(count - result["kills"], 12), SOON * alone, need, want))
        report(result)
        shutil.rmtree(place.root, ignore_errors=True)
    return result


def killed(place: Place, most: int, soon: float, need: int, want: Result) -> tuple[Result, list[str]]:
    """One sweep, killed up to `most` times within `soon` seconds of each start, until it is done: counts, and what is wrong."""
    ways, tenths, amid, went_on, damaged, code = Counter[str](), [0] * 10, 0, 0, 0, -1
    while code not in (0, 1, 2):
        running, way = place.start("--jobs", "2"), random.choice(WAYS)
        hit = sum(ways.values()) < most and struck(running, way, random.uniform(0, soon))
        if hit:
            ways[way] += 1
            tenths[min(10 * len(set(place.epochs())) // need, 9)] += 1
            amid += bool(place.leftovers())
        said = running.ended()
        code = running.code or 0
        went_on += said.count(GOES_ON)
        damaged += said.count(NEVER[0])
    again, lost = repeated(place.epochs())
    wrong = [*compared("a sweep", place, want, code, said), *[f"one kill cost a stage {lost} epochs"] * (lost > 1),
             *[f"{damaged} damaged files"] * bool(damaged)]
    return {"kills": sum(ways.values()), "killed": ways, "kills_by_tenth_of_the_work": tenths, "kills_amid_a_stage": amid, "sweeps": 1,
            "went_on_from_checkpoints": went_on, "epochs_trained_again": again, "epochs_lost_at_most_by_one_stage_at_once": lost,
            "damaged_files": damaged}, wrong


def struck(running: Sweep, way: str, seconds: float) -> bool:
    """Kill a sweep `seconds` after its first worker lives, or as soon then as there is what to kill. Whether it has not ended before."""
    running.begun()
    running.wait(seconds)
    while not (hit := running.kill(way)) and not running.wait(0.02):
        pass
    return hit


def added(result: Result, more: Result, wrong: list[str]) -> Result:
    """A result with the counts of one more sweep."""
    total: Result = {}
    for name, value in result.items():
        new = more.get(name)
        if name not in more:
            total[name] = value
        elif isinstance(value, dict):
            total[name] = {k: value.get(k, 0) + new.get(k, 0) for k in {*value, *new}}
        elif isinstance(value, list):
            total[name] = [a + b for a, b in zip(value, new, strict=True)]
        else:
            total[name] = max(value, new) if "at_most" in name else value + new
    return {**total, "wrong": [*result["wrong"], *wrong]}


def undisturbed(root: Path, *which: tuple[str, ...]) -> Place:
    """A sweep that nobody disturbed, at its end; those after it start warm. which: its methods and arguments."""
    warmed(root, *which)
    place = Place(root / "alone", *which)
    place.start().ended()
    return place


def rounds(root: Path, count: int, before: Result, report: Report, runs: int = 4) -> Result:
    """`runs` runs of one sweep at once on one store and one leaderboard, `count` times, held against one run alone."""
    alone = undisturbed(root)
    want, need = alone.records(), sorted(alone.epochs())
    result: Result = {"rounds": 0, "runs_at_once": runs, "records_each": len(want), "trainings_each": len({key for key, _ in need}),
                      "rounds_that_trained_anything_twice": 0, "wrong": [] if want else ["no records of one run alone"], **before}
    while result["rounds"] < count and not result["wrong"]:
        place = Place(root / f"round-{result['rounds']}")
        started = [place.start() for _ in range(runs)]
        said = [running.ended() for running in started]
        twice = sorted(place.epochs()) != need
        wrong = [line for running, words in zip(started, said, strict=True) for line in compared("a round", place, want, running.code or 0, words)]
        wrong += [f"a round trained {len(place.epochs())} epochs, {len(need)} are needed"] * twice
        result = added(result, {"rounds": 1, "rounds_that_trained_anything_twice": int(twice)}, wrong)
        report(result)
        shutil.rmtree(place.root)
    return result


def moments(root: Path, step: int, before: Result, report: Report) -> Result:
    """A small sweep in one process, killed before each `step`-th of its file operations in turn, and then given again."""
    want = undisturbed(root, *SMALL).records()
    result: Result = {"moments": 0, "step": step, "records_each": len(want), "wrong": [] if want else ["no records of the sweep that nobody killed"], **before}
    while not result["wrong"]:
        place, number = Place(root / f"moment-{result['moments']}", *SMALL), 1 + result["moments"] * step
        first = place.start(dies=number)
        said = first.ended()
        if first.code != -signal.SIGKILL:
            return added(result, {}, compared("the last one", place, want, first.code or 0, said))
        again = place.start()
        said = again.ended()
        result = added(result, {"moments": 1}, compared(f"killed before operation {number}", place, want, again.code or 0, said))
        report(result)
        shutil.rmtree(place.root)
    return result


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of the campaign's own, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="bench-crash-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attacks", nargs="+", choices=("kills", "rounds", "moments"), metavar="ATTACK")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--result", type=Path, required=True)
    asked = parser.parse_args()
    random.seed(asked.seed)
    run = {"kills": partial(kills, count=asked.kills), "rounds": partial(rounds, count=asked.rounds), "moments": partial(moments, step=asked.step)}
    wrong = []
    for attack in asked.attacks:
        before, report = reporting(asked.result, attack)
        with folder() as root:
            wrong += run[attack](root, before=before, report=report)["wrong"]
    return int(bool(wrong))


def reporting(path: Path, attack: str) -> tuple[Result, Report]:
    """What a file says of an attack, and how to put there what came of it since."""
    known: Result = json.loads(path.read_text()) if path.exists() else {}
    before, started = known.get(attack, {}), time.monotonic()

    def report(result: Result) -> None:
        known[attack] = {**result, "minutes": round(before.get("minutes", 0) + (time.monotonic() - started) / 60, 1),
                         "python": platform.python_version(), "date": time.strftime("%Y-%m-%d", time.gmtime())}
        aside = path.with_suffix(".part")
        aside.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        os.replace(aside, path)
        print(json.dumps({name: value for name, value in result.items() if isinstance(value, int)}), *result["wrong"], sep="\n", file=sys.stderr, flush=True)

    return before, report


if __name__ == "__main__":
    sys.exit(main())
