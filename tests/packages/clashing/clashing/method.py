"""Another method called l1-norm."""
from benchbase import Method, Selection, hookimpl


class L1Norm(Method):
    """Not the one you know."""

    name = "l1-norm"

    def select(self, net, data, budget):
        return Selection()


@hookimpl
def bench_methods():
    return [L1Norm]
