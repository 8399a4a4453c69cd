"""A method out of a file, `./mine.py:MyMethod`: for a first try without packaging."""
from __future__ import annotations

import hashlib
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from benchbase.errors import BenchError, raised, unknown
from benchbase.nets.method import Method
from benchbase.plugin.offers import Offer, check_method

MAX_BYTES = 10_000_000
STANDALONE = "mend the file; it stands alone: what it needs must be in it or installed"


def split_file(name: str) -> tuple[Path, str] | None:
    """(file, class) of "./mine.py:MyMethod"; None for a name that is no file's.

    >>> split_file("./mine.py:MyMethod"), split_file("torchvision:resnet18")
    ((PosixPath('mine.py'), 'MyMethod'), None)
    """
    match = re.fullmatch(r"(.+\.py)(?::(\w*))?", name)
    return (Path(match[1]), match[2] or "") if match else None


def method_in(path: Path, name: str) -> Offer:
    """The method class called `name` in a file, which is run for it once a content. Its rows are unpublished: no distribution.

    Raises BenchError for a file that is missing or does not run, and for a class that is missing or no usable method.
    """
    file = Path(path).expanduser()
    module, source = _module(file)
    methods = _names(module)
    if not name:
        raise BenchError(f"{path} does not say which method", f"write {path}:{methods[0] if methods else 'MyMethod'}")
    cls = getattr(module, name, None)
    if cls is None:
        raise unknown(f"class in {path}:", name, methods)
    try:
        check_method(cls)
    except (TypeError, ValueError) as error:
        todo = "make it a frozen dataclass, a subclass of benchbase.Method with a name and select()"
        raise BenchError(f"{path}:{name} is no method: {error}", todo) from None
    return Offer("methods", cls.name, cls, file.name, None, None, source)


def methods_in(path: Path, name: str = "") -> tuple[list[type[Method]], bool]:
    """The method classes of a file (the one called `name`, or all that have a name themselves), and whether it has the hook bench_methods.

    Raises BenchError as `method_in` does.
    """
    module, _ = _module(Path(path).expanduser())
    names = [name] if name else [n for n in _names(module) if getattr(module, n).name]
    return [method_in(path, n).value for n in names], hasattr(module, "bench_methods")


def _names(module: ModuleType) -> list[str]:
    """The methods that a file defines."""
    return [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, Method) and v.__module__ == module.__name__]


def _module(file: Path) -> tuple[ModuleType, str]:
    """The file as a module, and its sha256. It is known under a name made of that, so that one content is run once a process."""
    try:
        if not file.is_file():
            raise BenchError(f"there is no file {file}", "check the path; a method in a file is written ./mine.py:MyMethod")
        text = file.read_bytes()
    except OSError as error:
        raise BenchError(f"cannot read {file}: {error.strerror or error}", "check the path") from None
    if len(text) > MAX_BYTES:
        raise BenchError(f"{file} is larger than {MAX_BYTES} bytes", "this is no method: check the path")
    source = hashlib.sha256(text).hexdigest()
    where = hashlib.sha256(str(file.resolve()).encode()).hexdigest()
    name = f"_bench_file_{file.stem}_{source[:16]}_{where[:8]}"
    if name not in sys.modules:
        _run(name, file, text)
    return sys.modules[name], source


def _run(name: str, file: Path, text: bytes) -> None:
    """Run the bytes that were hashed, and write no bytecode beside them. dataclasses look their module up while it runs."""
    module: Any = ModuleType(name)
    module.__file__ = str(file.resolve())
    sys.modules[name] = module
    try:
        exec(compile(text, module.__file__, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:  # a user's file may raise anything
        del sys.modules[name]
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == module.__file__]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        raise BenchError(f"{file} does not run: {raised(error)}{f' (line {line})' if line else ''}", STANDALONE) from error
