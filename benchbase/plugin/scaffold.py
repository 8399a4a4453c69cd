"""A new plugin package that installs, runs and passes its checks, with the line to replace marked."""
from __future__ import annotations

import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from string import Template

from benchbase.errors import BenchError
from benchbase.plugin.files import methods_in, split_file
from benchbase.plugin.manager import Plugins

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 50
TAKEN = ("method", "selection", "dataset", "recipe", "protocol", "tests")  # what the files of a package call something else
RUN = {"method": "bench run -m $name -m random", "model": "bench run -m l1-norm --model $name", "dataset": "bench run -m l1-norm --dataset $name",
       "protocol": "bench run -m l1-norm --protocol $name"}
NOUNS = {"method": "pruning method", "model": "network", "dataset": "data set", "protocol": "protocol"}
REUSED = {"method": ("$name", ""), "model": ("l1-norm", "--model $name"), "dataset": ("l1-norm", "--dataset $name"),
          "protocol": ("l1-norm", "--protocol $name")}  # the method, and further words, of the reusable check
FROM = "a model is made from timm:NAME or torchvision:NAME, a method from ./mine.py"


@dataclass(frozen=True)
class Made:
    """A package written. files: relative to the folder.  edit: the file with the line to replace.  run: a command that tries it."""

    folder: Path
    name: str
    files: tuple[str, ...]
    edit: str
    run: str


def new(kind: str, name: str, folder: Path, plugins: Plugins, source: str = "", home: str = "") -> Made:
    """Write the package `name` into a folder of that name in `folder`. kind: method, model, dataset or protocol.

    source: what it is made from: "timm:NAME" or "torchvision:NAME" for a model, a file with one method for a method.  home: "OWNER/NAME" of
    benchbase on GitHub, whose reusable check the workflow then calls.
    Raises BenchError for a name that cannot be a package's or is taken, a folder that exists, a source that is not there. Nothing is
    overwritten, and the folder is there whole or not at all.
    """
    check_name(kind, name, plugins)
    if home and not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", home):
        raise BenchError(f"{home!r} is no repository on GitHub", "write it as OWNER/NAME")
    target = Path(folder).expanduser() / name
    if target.exists() or target.is_symlink():
        raise BenchError(f"{target} exists", "take another name or --dir: nothing is overwritten")
    files, edit = contents(kind, name, plugins, source, home)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
        try:
            for path, text in files.items():
                (aside / path).parent.mkdir(parents=True, exist_ok=True)
                (aside / path).write_text(text, encoding="utf-8")
            aside.chmod(0o755)
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise BenchError(f"cannot write {target}: {error.strerror or error}", "give --dir a folder that you may write to") from None
    return Made(target, name, tuple(files), edit, Template(RUN[kind]).substitute(name=name))


def check_name(kind: str, name: str, plugins: Plugins) -> None:
    """Raise BenchError for a name that a package, a Python module or a plugin of this kind cannot have."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:LONGEST].strip("-")
        raise BenchError(f"{name!r} is no name of a plugin", f"small letters, digits and single dashes, at most {LONGEST}" + (f", as {near}" if near else ""))
    module = name.replace("-", "_")
    if module in TAKEN or keyword.iskeyword(module) or module in sys.stdlib_module_names or find_spec(module) is not None:
        raise BenchError(f"a package cannot be called {name}: there is a module {module!r} already", f"take another name, as my-{name}")
    if any(offer.name == name for offer in plugins.every(f"{kind}s")):
        raise BenchError(f"there is a {NOUNS[kind]} called {name} already", f"`bench list {kind}s` shows the names that are taken")
    try:
        distribution(f"bench-{name}")
    except PackageNotFoundError:
        return
    raise BenchError(f"a package bench-{name} is installed already", "take another name")


def contents(kind: str, name: str, plugins: Plugins, source: str = "", home: str = "") -> tuple[dict[str, str], str]:
    """Path -> text of every file of the package, and the path of the one to edit."""
    module = name.replace("-", "_")
    words = {"name": name, "module": module, "cls": "".join(part.capitalize() for part in name.split("-")), "kind": kind, "noun": NOUNS[kind],
             "title": name.replace("-", " ").capitalize(), "distribution": f"bench-{name}", "source": source, "size": "8", "needs": ""}
    edit = f"{module}/_net.py" if kind == "model" and not source else f"{module}/{kind}.py"
    words |= {"edit": edit, "run": Template(RUN[kind]).substitute(words), "reusable": reusable(kind, words, home)}
    code, test = filled(kind, words), f"{kind}_test"
    if source and kind == "method":
        words["cls"], code = from_file(name, source, words)
        test = "method_from_test"
    elif source and kind == "model":
        code = from_library(source, plugins, words)
    elif source:
        raise BenchError(f"a {NOUNS[kind]} is made from nothing", FROM)
    net = {f"{module}/_net.py": filled("model_net", words)} if kind == "model" and not source else {}
    return {"pyproject.toml": filled("pyproject", words), "README.md": filled("readme", words), ".github/workflows/check.yml": filled("workflow", words),
            ".gitignore": "__pycache__/\n*.egg-info/\nbuild/\nleaderboard/\n", f"{module}/__init__.py": "", f"{module}/{kind}.py": code, **net,
            f"tests/test_{kind}.py": filled(test, words)}, edit


def reusable(kind: str, words: Mapping[str, str], home: str) -> str:
    """The job that calls benchbase's reusable check; as a comment where it is not said whose."""
    method, more = (Template(text).substitute(words) for text in REUSED[kind])
    text = filled("workflow_reusable", {**words, "home": home or "OWNER/benchbase", "method": method, "more": more})
    return text if home else "".join(f"  # {line.removeprefix('  ')}" for line in text.splitlines(keepends=True))


def from_library(source: str, plugins: Plugins, words: dict[str, str]) -> str:
    """The module of a model that a library has; BenchError where it has not."""
    library = source.partition(":")[0]
    if library not in ("timm", "torchvision") or ":" not in source:
        raise BenchError(f"a network cannot be made from {source!r}", FROM)
    plugins.model(source)
    words |= {"needs": f', "{library}"', "size": "64"}
    return filled("model_from", words)


def from_file(name: str, source: str, words: Mapping[str, str]) -> tuple[str, str]:
    """The class and the module of a method in a file, which gets a hook where it has none. BenchError unless the file has one method `name`."""
    file = split_file(source)
    if file is None:
        raise BenchError(f"a method cannot be made from {source!r}", FROM)
    classes, hooked = methods_in(*file)
    if len(classes) != 1:
        raise BenchError(f"{source} has {len(classes)} methods: {', '.join(c.__name__ for c in classes) or 'none'}", f"say which: {file[0]}:MyMethod")
    if classes[0].name != name:
        raise BenchError(f"the method in {source} is called {classes[0].name!r}, not {name!r}", f"bench new method {classes[0].name} --from {source}")
    text = file[0].expanduser().read_text(encoding="utf-8").rstrip() + "\n"
    cls = classes[0].__name__
    return cls, text if hooked else text + filled("method_hook", {**words, "cls": cls})


def filled(template: str, words: Mapping[str, str]) -> str:
    """A template with its words put in."""
    return Template((Path(__file__).with_name("templates") / f"{template}.txt").read_text(encoding="utf-8")).substitute(words)
