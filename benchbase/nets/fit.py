"""A layer's own numbers, after its tensors were cut."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

SPEAK_OF_CHANNELS = ("channel", "feature", "group", "width", "planes", "dim", "chs")


def fit_(module: nn.Module, before: Mapping[str, Sequence[int]] | None = None) -> None:
    """Make a layer's channels, groups and features say what its tensors are.

    Convolutions: `groups` grouped channels keep their number of groups; depthwise ones lose a group with each input channel.
    before: the shapes of its tensors before the cut, by their names in the module; for modules that torch does not know, whose whole
    numbers follow where they speak of channels and were one such size.
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
    elif before:
        _follow_(module, before)


def _follow_(module: nn.Module, before: Mapping[str, Sequence[int]]) -> None:
    """Numbers named after channels that were a size of one of the module's tensors become its size now, where it is one and the same."""
    now: dict[int, set[int]] = {}
    for name, shape in before.items():
        tensor = getattr(module, name)
        for old, new in zip(shape, tensor.shape, strict=True) if isinstance(tensor, Tensor) else ():
            now.setdefault(old, set()).add(new)
    for name, value in list(vars(module).items()):
        if type(value) is int and len(now.get(value, ())) == 1 and any(word in name for word in SPEAK_OF_CHANNELS):
            setattr(module, name, *now[value])
