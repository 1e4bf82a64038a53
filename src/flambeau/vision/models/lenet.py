"""LeNet-5 (LeCun et al., Gradient-based learning applied to document recognition, 1998), with ReLU and
max-pooling. torchvision has no such model."""

from __future__ import annotations

from ... import Tensor, nn

__all__ = ["LeNet"]


class LeNet(nn.Module):
    """Two convolutions and three linear layers.

    Args:
        num_classes: outputs.
        in_channels: channels of images: 1 for MNIST, 3 for CIFAR-10.

    Shape:
        (N, in_channels, H, W), H and W at least 12 → (N, num_classes)

    >>> import flambeau as torch
    >>> torch.vision.models.LeNet()(torch.zeros(1, 1, 28, 28)).shape
    torch.Size([1, 10])
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((5, 5))
        self.classifier = nn.Sequential(
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(inplace=True),
            nn.Linear(120, 84),
            nn.ReLU(inplace=True),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits
