"""Who may import whom (README, "Layout"), read off every import statement, those inside functions too."""
from __future__ import annotations

import ast
import configparser
from functools import cache
from pathlib import Path

import pytest

import benchbase

ROOT = Path(__file__).parent.parent
VALUES = {"errors", "values"}
PLUGIN = VALUES | {"plugin", "nets.method", "training.dataset"}
FLOW = PLUGIN | {"nets", "training", "flow"}
MAY = {"__init__": set(), "errors": set(), "values": VALUES, "nets": VALUES | {"nets"}, "training": VALUES | {"training", "nets.method"},
       "plugin": PLUGIN,
       "board": VALUES | {"board"}, "flow": FLOW, "api": FLOW, "cli": FLOW | {"board", "cli", "conformance"},
       "conformance": FLOW | {"conformance"}}


def modules(folder: str, package: str) -> dict[str, Path]:
    """Name as installed -> file."""
    files = {".".join((package, *p.relative_to(ROOT / folder).with_suffix("").parts)): p for p in sorted((ROOT / folder).rglob("*.py"))}
    return {name.removesuffix(".__init__"): p for name, p in files.items()}


FILES = modules("benchbase", "benchbase") | modules("plugins", "benchbase_plugins") | modules("benchmarks/suites", "benchbase_plugins.suites")
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
ENTRIES = [line.partition("=")[2].strip() for line in SETUP["options.entry_points"]["benchbase"].strip().splitlines()]


@cache
def imports(module: str, top: bool) -> frozenset[str]:
    """What a module imports, but for type checkers. top: only what is imported with it."""
    found, todo = set(), [ast.parse(FILES[module].read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[:len(module.split(".")) - node.level + (FILES[module].name == "__init__.py")] if node.level else []
            source = ".".join([*package, *filter(None, [node.module])])
            found |= {source} | {f"{source}.{alias.name}" for alias in node.names if source == "benchbase" or f"{source}.{alias.name}" in FILES}
        for child in ast.iter_child_nodes(node):
            typing_only = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            if not typing_only and not (top and isinstance(child, (ast.FunctionDef, ast.Lambda))):
                todo.append(child)
    return frozenset(found)


@cache
def loads(module: str) -> frozenset[str]:
    """All that is imported with a module, through others of the project as well."""
    seen, todo = set(), [module]
    while todo:
        for name in imports(todo.pop(), top=True) - seen:
            seen.add(name)
            todo += [name] if name in FILES else []
    return frozenset(seen)


@pytest.mark.parametrize("module", FILES)
def test_imports_point_inwards(module):
    owner, part = (module + ".__init__").split(".")[:2]
    for name in imports(module, top=False):
        if owner == "benchbase":
            inside = any(f"{name}.".startswith(f"benchbase.{allowed}.") for allowed in MAY[part])
            assert not name.startswith("benchbase") or inside or name == "benchbase", f"{module} imports {name}"
        elif name.startswith("benchbase."):
            assert name.removeprefix("benchbase.") in benchbase.__all__, f"{module} imports {name}: plugins import public names"
        elif name.startswith("benchbase_plugins."):
            package, _, last = name.rpartition(".")
            assert name == module.rpartition(".")[0] or (package == module.rpartition(".")[0] and last.startswith("_")), \
                f"{module} imports {name}: plugins do not know each other, only what stands beside them with an underscore"


LIGHT = ("benchbase.errors", "benchbase.api", "benchbase.values", "benchbase.board", "benchbase.plugin", "benchbase.cli", "benchbase.conformance.walk",
         "benchbase.conformance.pytest_plugin")


@pytest.mark.parametrize("module", ["benchbase", *ENTRIES, *(m for m in FILES if m.startswith(LIGHT))])
def test_it_is_imported_without_torch(module):
    assert not {name for name in loads(module) if name.partition(".")[0] in ("torch", "torchvision", "timm", "safetensors")}


def test_the_entry_points_are_modules_of_ours():
    assert set(ENTRIES) <= set(FILES) and len(ENTRIES) >= 14


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["--help"], ["run", "--help"], ["show", "thinet"], ["--version"]], ids=" ".join)
def test_listing_and_help_start_without_torch(python, arguments):
    code = f"""import sys
from benchbase.cli import main
try:
    code = main({arguments})
except SystemExit as end:
    code = end.code
heavy = {{'torch', 'torchvision', 'timm', 'numpy', 'scipy', 'sklearn', 'pydantic'}} & set(sys.modules)
sys.exit(f'exit {{code}}, loaded {{heavy}}' if code or heavy else 0)"""
    done = python("-c", code)
    assert done.returncode == 0 and done.stdout, done.stderr
