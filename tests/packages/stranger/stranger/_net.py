"""The network itself, in a module of its own: only it needs torch."""
import torch
from torch import nn


class PlainCNN(nn.Module):
    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, 12, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.down = nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.inner = nn.Conv2d(16, 20, 3, padding=1, bias=False)
        self.inner_norm = nn.BatchNorm2d(20)
        self.outer = nn.Conv2d(20, 16, 1)
        self.head = nn.Linear(16, num_classes)
        nn.init.kaiming_normal_(self.stem.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.head.weight, 0, 0.01)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(self.down(x))
        x = x + self.outer(torch.relu(self.inner_norm(self.inner(x))))
        return self.head(torch.relu(x).mean((2, 3)))
