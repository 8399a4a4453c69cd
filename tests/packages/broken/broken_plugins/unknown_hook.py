"""A hook that no specification knows, beside one that is right."""
from benchbase import hookimpl


@hookimpl
def bench_metods():
    return []


@hookimpl
def bench_protocols():
    return []
