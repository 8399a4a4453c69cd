from __future__ import annotations

import heapq

from benchbase.flow.do import Running
from benchbase.flow.order import by_turns
from benchbase.flow.plan import plan
from benchbase.flow.run import open_suite, run_suite
from benchbase.values.record import load_records

MODELS = ("vgg-digits", "resnet-digits")


def waited(cells: list[dict[str, int]], order: list[int], jobs: int = 2) -> tuple[float, float]:
    """(what workers wait for each other's stages, until all is done): cells as key -> cost, handed out in this order to whoever is free.

    Independent of the executors: each worker goes through its cell's stages, runs what nobody has run, and waits for what another runs.
    """
    todo, ends, idle = list(order), dict[str, float](), 0.0
    heap = [(0.0, worker, list[tuple[str, int]]()) for worker in range(jobs)]
    last = 0.0
    while heap:
        now, worker, left = heapq.heappop(heap)
        last = max(last, now)
        if not left:
            if todo:
                heapq.heappush(heap, (now, worker, list(cells[todo.pop(0)].items())))
            continue
        (key, cost), *rest = left
        if key not in ends:
            ends[key] = now + cost
        elif ends[key] > now:
            idle += ends[key] - now
        heapq.heappush(heap, (max(now, ends[key]), worker, rest))
    return idle, last


def costs(suite, settings) -> list[dict[str, int]]:
    """The multiply-adds of each cell's trainings, by key, in the order in which it comes to them."""
    bench = open_suite(suite, settings)
    return [{e.key: e.work for e in plan([cell], bench.machine, bench.do).entries if e.kind == "train"} for cell in bench.cells]


def test_one_of_each_base_then_a_second_of_each(tiny, settings):
    suite = tiny(methods=("l1-norm", "random", "uniform"), models=MODELS, seeds=(0, 1))
    cells = open_suite(suite, settings()).cells
    order = by_turns(cells)
    assert sorted(order) == list(range(12))
    assert [(cells[n].work.model, cells[n].seed, cells[n].method.name) for n in order] == [
        (model, seed, method) for method in ("l1-norm", "random", "uniform") for model in MODELS for seed in (0, 1)]


def test_of_one_network_the_order_is_the_suites(tiny, settings):
    cells = open_suite(tiny(methods=("l1-norm", "random"), seeds=(0, 1, 2)), settings()).cells
    assert by_turns(cells) == list(range(6)) and by_turns([]) == []


def test_two_workers_wait_for_no_base(tiny, settings):
    """Three rows on two networks, one seed: as the suite stands, the second worker waits for the base and the scratch networks that the first
    trains. In turns it waits less than a tenth of that."""
    suite = tiny(methods=("l1-norm", "random", "uniform"), models=MODELS, seeds=(0,), protocols=("one-shot", "finetune", "scratch-e", "scratch-b"))
    cells = costs(suite, settings())
    bench = open_suite(suite, settings())
    before, after = waited(cells, list(range(6))), waited(cells, by_turns(bench.cells))
    whole = sum({key: cost for cell in cells for key, cost in cell.items()}.values())
    assert before[0] > 0.2 * whole and after[0] < 0.1 * before[0] and after[1] < before[1]


def test_workers_of_a_sweep_start_with_distinct_bases(tiny, settings, read):
    """What two processes begin to train first are the two bases, and the records are those of a sweep in the suite's order."""
    begun: list[str] = []

    def watch(item: Running) -> None:
        if item.kind == "train" and item.done == 0 and not item.note:
            begun.append(item.label)
    suite = tiny(methods=("l1-norm", "random"), models=MODELS, protocols=("finetune",))
    place = settings(jobs=2)
    sweep = run_suite(suite, place, watch=watch)
    assert {label.removesuffix(" synthetic seed 0") for label in begun[:2]} == {f"base of {model}" for model in MODELS}
    assert sweep.exit_code == 0 and len(sweep.records) == 4 == len(load_records(place.leaderboard)) and sweep.trained == 6
