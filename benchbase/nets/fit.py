"""A layer's own numbers, after its tensors were cut."""
from __future__ import annotations

from torch import nn


def fit_(module: nn.Module) -> None:
    """Make a layer's channels, groups and features say what its tensors are.

    Convolutions: `groups` grouped channels keep their number of groups; depthwise ones lose a group with each input channel.
    """
    if isinstance(module, nn.modules.conv._ConvNd):
        first, second = module.weight.shape[:2]
        depthwise = module.groups == module.in_channels > 1
        if isinstance(module, nn.modules.conv._ConvTransposeNd):
            module.in_channels = first
            module.groups = first if depthwise else module.groups
            module.out_channels = second * module.groups
        else:
            multiplier = module.out_channels // module.in_channels
            module.out_channels = first
            module.groups = first // multiplier if depthwise else module.groups
            module.in_channels = second * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, (nn.modules.batchnorm._NormBase)):
        sized = next((t for t in (module.running_mean, module.weight) if t is not None), None)
        module.num_features = module.num_features if sized is None else len(sized)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = len(module.weight)
