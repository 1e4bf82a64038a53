"""AlexNet (Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014)."""

from __future__ import annotations

from ... import Tensor, nn
from ._api import WeightsEnum
from ._builder import builder, imagenet

__all__ = ["AlexNet", "AlexNet_Weights", "alexnet"]


class AlexNet(nn.Module):
    """Five convolutions and three linear layers.

    Args:
        num_classes: outputs.
        dropout: the probability, before the first two linear layers.

    Shape:
        (N, 3, H, W), H and W at least 63 → (N, num_classes)

    >>> import flambeau as torch
    >>> torch.vision.models.AlexNet(num_classes=2).classifier[6]
    Linear(in_features=4096, out_features=2, bias=True)
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


class AlexNet_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("alexnet-owt-7be5be79", 61_100_840, 56.522, 79.066, min_size=63)
    DEFAULT = IMAGENET1K_V1


alexnet = builder("alexnet", "AlexNet.", AlexNet_Weights, AlexNet)
