"""A hook that raises; its other hook is right."""
from benchbase import Protocol, hookimpl


@hookimpl
def bench_datasets():
    raise ValueError("no data today\nand more lines")


@hookimpl
def bench_protocols():
    return [Protocol("as-base", "fresh", lambda base, finetune, dense, pruned: base)]
