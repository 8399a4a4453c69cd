"""Finished stages in an object store, or wherever fsspec reaches: whole folders, held against their digests on either side.

URL/ab/abcdef.../ holds the stage's files, sha256.json (name -> sha256 of each) and stage.json, which is written last: a folder without it is
no stage. Needs `pip install 'benchbase[remote]'`.
"""
from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.store import MAX_BYTES, STAGE, Store
from benchbase.values.bounded import json_of

SUMS = "sha256.json"
BLOCK = 4 << 20  # bytes read at a time


@dataclass(frozen=True)
class Remote:
    """A folder of stages at a URL. files: fsspec's file system there.  root: the folder's path in it."""

    url: str
    files: Any
    root: str

    def keys(self) -> list[str]:
        """Of the stages that are there, whole."""
        with self._reached():
            found = self.files.find(self.root) if self.files.exists(self.root) else []
        return sorted(match[1] for path in found if (match := re.search(rf"/([0-9a-f]{{64}})/{re.escape(STAGE)}$", path)))

    def push(self, store: Store, key: str) -> bool:
        """Copy a stage there; False where it is there already. Raises BenchError where it does not arrive as it is here."""
        done = store.get(key)
        if done is None:
            raise BenchError(f"the store has no finished stage {key[:16]}", "`bench store ls --all` lists them")
        there = self._folder(key)
        names = sorted((p.relative_to(done.folder).as_posix() for p in done.folder.rglob("*") if p.is_file()), key=lambda name: name == STAGE)
        sums = {name: sha256_of((done.folder / name).open("rb")) for name in names}
        with self._reached():
            if self.files.exists(f"{there}/{STAGE}"):  # it was read back before that was written
                return False
            self.files.makedirs(there, exist_ok=True)
            self.files.pipe_file(f"{there}/{SUMS}", json.dumps(sums, sort_keys=True).encode())
            for name in names:  # stage.json is the last of them
                self.files.makedirs(f"{there}/{name}".rpartition("/")[0], exist_ok=True)
                self.files.put_file(str(done.folder / name), f"{there}/{name}")
                if sha256_of(self.files.open(f"{there}/{name}", "rb")) != sums[name]:
                    self.files.rm_file(f"{there}/{name}")
                    raise damaged(f"{key[:16]}/{name}", self.url)
        return True

    def pull(self, store: Store, key: str) -> bool:
        """Copy a stage from there; False where it is here already. Raises BenchError for one that is not as it was pushed."""
        with store.lock(key):
            if store.get(key) is not None:
                return False
            with self._reached():
                sums = self._sums(key)
                if STAGE not in sums or any(Path(name).is_absolute() or ".." in Path(name).parts for name in sums):
                    raise damaged(f"{key[:16]}/{SUMS}", self.url)
            with store.writing(key) as aside:
                for name, told in sums.items():
                    (aside / name).parent.mkdir(parents=True, exist_ok=True)
                    with self._reached():
                        self.files.get_file(f"{self._folder(key)}/{name}", str(aside / name))
                    if sha256_of((aside / name).open("rb")) != told:
                        raise damaged(f"{key[:16]}/{name}", self.url)
        if store.get(key) is None:
            raise damaged(f"{key[:16]}/{STAGE}", self.url)
        return True

    def _folder(self, key: str) -> str:
        return f"{self.root}/{key[:2]}/{key}"

    def _sums(self, key: str) -> dict[str, str]:
        data = self.files.cat_file(f"{self._folder(key)}/{SUMS}", start=0, end=MAX_BYTES)
        try:
            return {str(name): str(told) for name, told in dict(json_of(data)).items()}
        except (ValueError, TypeError):
            raise damaged(f"{key[:16]}/{SUMS}", self.url) from None

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except BenchError:
            raise
        except Exception as error:  # each store has errors of its own, and of its client
            said = next(iter(str(error).splitlines()), "")[:200]
            raise BenchError(f"{self.url}: {type(error).__name__}: {said}", "check the address, and that it may be read and written from here",
                             "infra_error") from error


def remote_at(url: str) -> Remote:
    """What is at a URL (s3://BUCKET/PREFIX, file:///DIR). Raises BenchError where nothing can reach it."""
    try:
        import fsspec

        files, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise BenchError(f"{url} needs {error.name or 'fsspec'}, which is not installed", "pip install 'benchbase[remote]'") from None
    except (ValueError, OSError) as error:
        raise BenchError(f"{url!r} cannot be reached: {next(iter(str(error).splitlines()), '')[:200]}", "write it like s3://BUCKET/PREFIX or file:///DIR") from None
    return Remote(url, files, str(root).rstrip("/"))


def sha256_of(file: Any) -> str:
    """Of an open file, which is closed."""
    made = hashlib.sha256()
    with file:
        while block := file.read(BLOCK):
            made.update(block)
    return made.hexdigest()


def damaged(what: str, where: str) -> BenchError:
    """The error for what is not as it was sent."""
    return BenchError(f"{what} has not arrived as it was sent ({where})",
                      "give the same command again; where that does not help, remove its folder there and push it anew", "infra_error")


def chosen(keys: Sequence[str], beginnings: Sequence[str], where: str) -> list[str]:
    """Those that begin as asked, all where nothing is asked. Raises BenchError for a beginning that none has."""
    for beginning in beginnings:
        if not any(key.startswith(beginning) for key in keys):
            raise BenchError(f"no stage in {where} has a key that begins with {beginning[:80]!r}", "give the beginning of a key, or none for all")
    return [key for key in keys if not beginnings or key.startswith(tuple(beginnings))]


def copied(keys: Sequence[str], copy: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """(keys that were copied, keys that were there)."""
    moved = [key for key in keys if copy(key)]
    return moved, [key for key in keys if key not in set(moved)]
