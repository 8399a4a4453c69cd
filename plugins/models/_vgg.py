"""VGG with one or two linear layers behind a mean over positions (Simonyan and Zisserman 2015, in the CIFAR forms of Liu et al. 2019)."""
from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

WIDTHS: dict[int, tuple[int | str, ...]] = {
    11: (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512),
    13: (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512),
    16: (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512),
    19: (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512),
}


class VGG(nn.Module):
    """3x3 convolutions with norm and ReLU, "M" for a 2x2 maximum, the mean over positions, then the classifier.

    hidden: width of a normalised hidden linear layer, 0 for a single linear layer.  norm, bias: whether convolutions have one.
    gamma: initial scale of the convolutions' norms.  fan: what their initialisation counts, "out" or "in".
    Any image size runs: pools round up, so that a map of one pixel stays one. At 32 x 32 this is the authors' network.
    """

    def __init__(self, widths: Sequence[int | str], num_classes: int, in_channels: int = 3, *, hidden: int = 0, norm: bool = True,
                 bias: bool = False, gamma: float = 0.5, fan: str = "out") -> None:
        super().__init__()
        self.gamma, self.fan = gamma, fan
        layers: list[nn.Module] = []
        channels = in_channels
        for width in widths:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            else:
                layers += [nn.Conv2d(channels, width, 3, padding=1, bias=bias), *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier: nn.Module = nn.Linear(channels, num_classes)
        if hidden:
            self.classifier = nn.Sequential(nn.Linear(channels, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, num_classes))
        self.apply(self.init_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, in_channels, height, width) to logits (n, num_classes)."""
        return self.classifier(self.pool(self.features(x)).flatten(1))

    def init_weights(self, module: nn.Module) -> None:
        """Fresh weights of one layer, from the shapes it has now: convolutions N(0, sqrt(2 / (k k out))), linear N(0, 0.01)."""
        if isinstance(module, nn.Conv2d):
            outputs, inputs, height, width = module.weight.shape
            nn.init.normal_(module.weight, 0, math.sqrt(2 / (height * width * (outputs if self.fan == "out" else inputs))))
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.reset_running_stats()
            nn.init.constant_(module.weight, self.gamma if isinstance(module, nn.BatchNorm2d) else 1)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)
