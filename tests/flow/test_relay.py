"""Progress out of worker processes, through a real pipe."""
from __future__ import annotations

import multiprocessing

from benchbase.flow.do import Event, Running
from benchbase.flow.relay import relay


def tell(send, name: str) -> None:
    for part in range(200):
        send(Running("train", name, "x" * 300, part / 200))
    send(Event("train", name, False, 1.0, name))


def test_all_is_heard_before_the_block_ends():
    """Two processes write at once: every item arrives whole, in the order of its sender."""
    heard = []
    with relay(heard.append) as send:
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=tell, args=(send, name)) for name in "ab"]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0] and len(heard) == 402
    for name in "ab":
        own = [item for item in heard if item.key == name]
        assert [item.done for item in own[:-1]] == [part / 200 for part in range(200)] and own[-1] == Event("train", name, False, 1.0, name)


def test_a_sender_whose_reader_is_gone_goes_on():
    with relay(lambda item: None) as send:
        pass
    send(Event("train", "k", True, 0.0))
