"""What lies in a store, for people: sizes, what refers to what, what may go, what is damaged."""
from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchbase.errors import BenchError
from benchbase.flow.store import FAILED, STAGE, Store

KEY = re.compile(r"[0-9a-f]{64}")
DONE, FAILURE, DAMAGED, LEFT, CHECKPOINT, ASIDE = "done", "failed", "damaged", "left over", "checkpoint", "set aside"
WEIGHTS = "weights.safetensors"
GONE = "aside"  # folder of the store that damaged stages are moved to


@dataclass(frozen=True)
class Kept:
    """One folder of a store. state: "done", "failed" (the same inputs fail again), "damaged", "left over" (of a process that died),
    "checkpoint" (of a training under way or interrupted) or "set aside" (damaged once, kept to be looked at).

    made: digest of the stage's result.  needs: keys of the stages that it was made from; None where it does not tell.  wanted: how many
    stages were made from it.  records: how many records hold its result.  size: bytes.  when: of its last change, in seconds since 1970.
    """

    key: str
    state: str
    folder: Path
    size: int
    when: float
    kind: str = ""
    made: str = ""
    seconds: float = 0.0
    needs: tuple[str, ...] | None = ()
    wanted: int = 0
    records: int = 0


def inventory(store: Store, leaderboards: Iterable[Path] = ()) -> list[Kept]:
    """Everything in a store, the largest first; 4 kB a stage in memory at most. leaderboards: folders whose records say which results are published.

    Raises BenchError for a store that cannot be read, and for a leaderboard that is not there.
    """
    published = _published(leaderboards)
    try:
        found = list(_found(store))
    except OSError as error:
        raise BenchError(f"cannot read the store: {error.strerror or error}", f"check {store.root}, or name another with --store") from None
    wanted: dict[str, int] = {}
    for item in found:
        for key in item.needs or ():
            wanted[key] = wanted.get(key, 0) + 1
    told = [replace(k, wanted=wanted.get(k.key, 0) if k.state == DONE else 0, records=published.get(k.made, 0) if k.made else 0) for k in found]
    return sorted(told, key=lambda k: (-k.size, k.key, k.state))


def rubbish(items: Sequence[Kept]) -> list[Kept]:
    """What no run would read: of processes that died, damaged, set aside, and checkpoints of stages that are done."""
    done = {k.key for k in items if k.state == DONE}
    return [k for k in items if k.state in (LEFT, DAMAGED, ASIDE) or k.state == CHECKPOINT and k.key in done]


def unpublished(items: Sequence[Kept]) -> list[Kept]:
    """Finished stages that no record stands on: not its result, not what that was made from, and no measure of it.

    One that does not tell what it was made from is kept, and so is a small one that was made from nothing that goes.
    """
    by_key = {k.key: k for k in items if k.state == DONE}
    kept = {k.key for k in by_key.values() if k.records or k.needs is None}
    todo = list(kept)
    while todo:
        for key in by_key[todo.pop()].needs or ():
            if key in by_key and key not in kept:
                kept.add(key)
                todo.append(key)
    heavy = {k.key for k in by_key.values() if (k.folder / WEIGHTS).exists()}
    kept |= {k.key for k in by_key.values() if k.key not in heavy and k.needs is not None and all(key in kept for key in k.needs)}
    return [k for k in by_key.values() if k.key not in kept]


def remove(store: Store, items: Iterable[Kept]) -> tuple[list[Kept], list[Kept]]:
    """Remove folders, each under its lock; (what is gone, what a running process holds). Raises BenchError for a store that is read-only."""
    return _each_free(store, items, _drop)


def busy(store: Store) -> bool:
    """Whether a running process holds a stage of the store."""
    for path in (store.root / "locks").glob("*.lock"):
        with store.lock(path.name.removesuffix(".lock"), wait=False) as free:
            if not free:
                return True
    return False


def faults(store: Store, items: Iterable[Kept]) -> Iterator[tuple[Kept, str]]:
    """Finished stages whose weights are not what their stage.json says, and damaged ones, each with the reason. Memory holds one stage's
    weights at a time, twice over while they are read."""
    from benchbase.nets.weights import digest_of, read_weights

    for item in items:
        if item.state == DAMAGED:
            yield item, "its stage.json cannot be read, or a file of it is missing or of another size"
        if item.state != DONE or not (item.folder / WEIGHTS).exists():
            continue
        try:
            if digest_of(read_weights(item.folder / WEIGHTS)) != item.made:
                yield item, f"{WEIGHTS} is not what was written"
        except BenchError as error:
            if store.get(item.key) is not None:  # else it has gone, or been made anew, meanwhile
                yield item, error.what.replace(str(item.folder) + os.sep, "")


def set_aside(store: Store, items: Iterable[Kept]) -> tuple[list[Kept], list[Kept]]:
    """Move stages out of the way, so that they run again; (moved, what a running process holds)."""
    return _each_free(store, items, _move)


def _found(store: Store) -> Iterator[Kept]:
    """Folders of stages, of checkpoints, and what is neither; links are not followed."""
    if not store.root.is_dir():
        if store.root.exists():
            raise OSError("it is no folder")
        return
    for outer in sorted(p for p in store.root.iterdir() if p.is_dir() and not p.is_symlink()):
        if re.fullmatch("[0-9a-f]{2}", outer.name):
            for folder in sorted(p for p in outer.iterdir() if p.is_dir() and not p.is_symlink()):
                if KEY.fullmatch(folder.name) and folder.name.startswith(outer.name):
                    yield _stage(store, folder)
                elif KEY.fullmatch(folder.name[1:65]) and folder.name.startswith("."):
                    yield _plain(folder, folder.name[1:65], LEFT)
        elif outer.name in ("checkpoints", GONE):
            for folder in sorted(p for p in outer.iterdir() if p.is_dir() and not p.is_symlink() and KEY.fullmatch(p.name[:64])):
                aside = outer.name == GONE or folder.name != folder.name[:64]
                yield _plain(folder, folder.name[:64], ASIDE if aside else CHECKPOINT)


def _stage(store: Store, folder: Path) -> Kept:
    done, plain = store.get(folder.name), _plain(folder, folder.name, DAMAGED)
    if done is not None:
        return replace(plain, state=DONE, kind=done.kind, made=done.digest, seconds=done.seconds, needs=_needs(folder))
    failure = store.failure(folder.name) if not (folder / STAGE).exists() else None
    return replace(plain, state=FAILURE, kind=str(failure.get("kind", ""))[:40]) if failure is not None and (folder / FAILED).exists() else plain


def _needs(folder: Path) -> tuple[str, ...] | None:
    """The keys that a whole stage tells; None where it tells none, as older ones do."""
    said = json.loads((folder / STAGE).read_text(encoding="utf-8")).get("needs")
    return tuple(k for k in said if isinstance(k, str) and KEY.fullmatch(k)) if isinstance(said, list) else None


def _plain(folder: Path, key: str, state: str) -> Kept:
    size, when = 0, 0.0
    for path in (folder, *folder.rglob("*")):
        try:
            found = path.lstat()
        except FileNotFoundError:  # a run goes on beside this
            continue
        size, when = size + found.st_size * path.is_file(), max(when, found.st_mtime)
    return Kept(key, state, folder, size, when)


def _published(leaderboards: Iterable[Path]) -> Mapping[str, int]:
    """Digest of a result -> how many records hold it."""
    from benchbase.values.record import load_records

    counts: dict[str, int] = {}
    for folder in leaderboards:
        for record in load_records(folder):
            d = record.digests
            for made in {d.plain, d.base, d.pruned, d.final}:
                counts[made] = counts.get(made, 0) + 1
    return counts


def _each_free(store: Store, items: Iterable[Kept], act: Callable[[Store, Kept], None]) -> tuple[list[Kept], list[Kept]]:
    """Act on each under its lock; (what was acted on, what a running process holds)."""
    done, held = list[Kept](), list[Kept]()
    for item in items:
        with store.lock(item.key, wait=False) as free, store.writable():
            if free:
                act(store, item)
            (done if free else held).append(item)
    return done, held


def _move(store: Store, item: Kept) -> None:
    place = store.root / GONE / f"{item.key}-{uuid.uuid4().hex[:8]}"
    place.parent.mkdir(exist_ok=True)
    os.rename(item.folder, place)


def _drop(store: Store, item: Kept) -> None:
    """Out of sight at once, then removed: a process that dies between leaves only what `rubbish` names."""
    place = store.aside(item.key)
    place.parent.mkdir(exist_ok=True)
    try:
        os.rename(item.folder, place)
    except FileNotFoundError:
        return
    shutil.rmtree(place)
