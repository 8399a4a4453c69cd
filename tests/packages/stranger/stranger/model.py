"""A small residual network whose author has not heard of init_weights."""
from benchbase import hookimpl


def plain_cnn(num_classes, in_channels=3):
    """Two convolutions, a residual block, a linear layer."""
    from ._net import PlainCNN

    return PlainCNN(num_classes, in_channels)


@hookimpl
def bench_models():
    return [plain_cnn]
