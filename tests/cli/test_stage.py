"""`bench run --stage KEY`: one stage by its key, whole or its beginning, before, amid and after a run."""
from __future__ import annotations

import json

import pytest

from benchbase.flow import named

from .conftest import QUICK, bench

ARGS = ("-m", "l1-norm", *QUICK, "--seeds", "0", "--protocol", "one-shot", "--protocol", "finetune")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nobody else makes anything here that could be waited for."""
    monkeypatch.setattr(named, "PAUSES", (0,))


def keys():
    """(kind, beginning of the label) -> key of the stages of the plan."""
    return {(e["kind"], e["label"].partition(" ")[0]): e["key"] for e in json.loads(bench("plan", *ARGS, "--json").out)["entries"]}


def test_stages_run_one_by_one_with_their_measures_and_a_run_gathers(here):
    before = keys()
    said = bench("run", *ARGS, "--stage", before["train", "base"][:10], "--json")
    done = json.loads(said.out)
    assert (said.code, done["kind"], done["exit"], [event["kind"] for event in done["events"]]) == (0, "train", 0, ["train", "measure"])
    said = bench("run", *ARGS, "--stage", before["prune", "l1-norm"])  # as it was called before the base was there
    assert said.code == 0 and said.out.startswith("prune l1-norm 0.5") and "3 stages run" in said.out, said
    assert bench("run", *ARGS, "--stage", keys()["train", "finetune:"]).code == 0  # as it is called now
    again = bench("run", *ARGS, "--stage", before["train", "finetune:"])
    assert again.code == 0 and "all of it was in the store" in again.out, again
    assert not (here / "leaderboard").exists()
    last = bench("run", *ARGS, "--json")
    assert json.loads(last.out)["trained"] == 0 and last.code == 0 and " train " not in last.err and "measure" not in last.err


def test_what_cannot_run_yet_says_what_to_run_first(here):
    key = keys()["train", "finetune:"]
    said = bench("run", *ARGS, "--stage", key)
    assert said.code == 1 and "is made from is not in the store" in said.err and said.lines[-1].startswith("run "), said


@pytest.mark.parametrize(("key", "more", "says"), [("zzz", (), "no stage of these arguments has the key 'zzz'"),
                                                   ("", ("--jobs", "2"), "where --jobs says nothing"), ("", ("--rerun", "all"), "where --rerun all says nothing")])
def test_a_wrong_key_or_setting_is_said(key, more, says):
    said = bench("run", *ARGS, "--stage", key or "abc", *more)
    assert said.code == 2 and says in said.err and "Traceback" not in said.err, said


def test_a_beginning_that_several_share_is_refused():
    """Of 25 keys some begin alike."""
    args = ("-m", "l1-norm", *QUICK, "--seeds", "0-4")
    entries = json.loads(bench("plan", *args, "--json").out)["entries"]
    first = [entry["key"][0] for entry in entries if entry["kind"] in ("train", "prune")]
    assert len(first) == 25
    said = bench("run", *args, "--stage", max(first, key=first.count))
    assert said.code == 2 and f"error: {max(map(first.count, first))} stages have keys that begin with" in said.err and "give more of it" in said.err, said
