"""Returns what is no method."""
from benchbase import hookimpl


@hookimpl
def bench_methods():
    return [42]
