"""More networks for `training.py`: kinds that the first table has not, each in small."""

from __future__ import annotations

from typing import Any


def models(torch: Any) -> dict[str, Any]:
    """By name: (makes the network, input, labels, makes the optimizer)."""
    nn, F, optim = torch.nn, torch.nn.functional, torch.optim

    class Residual(nn.Module):
        def __init__(self, *layers: Any) -> None:
            super().__init__()
            self.way = nn.Sequential(*layers)

        def forward(self, x: Any) -> Any:
            return x + self.way(x)

    def norm_relu(width: int) -> list[Any]:
        return [nn.BatchNorm2d(width), nn.ReLU6()]

    def inverted(i: int, o: int, stride: int) -> Any:
        hidden = 4 * i
        layers = [nn.Conv2d(i, hidden, 1, bias=False), *norm_relu(hidden)]
        layers += [nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), *norm_relu(hidden)]
        layers += [nn.Conv2d(hidden, o, 1, bias=False), nn.BatchNorm2d(o)]
        return Residual(*layers) if stride == 1 and i == o else nn.Sequential(*layers)

    def mobilenet() -> Any:
        blocks = [inverted(16, 24, 2), inverted(24, 24, 1), inverted(24, 40, 2), inverted(40, 40, 1)]
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, 1, 1, bias=False), *norm_relu(16), *blocks, nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(40, 10),
        )  # fmt: skip

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down1, self.down2, self.middle = self.pair(1, 16), self.pair(16, 32), self.pair(32, 64)
            self.up2, self.up1 = nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)
            self.join2, self.join1, self.head = self.pair(64, 32), self.pair(32, 16), nn.Conv2d(16, 2, 1)

        @staticmethod
        def pair(i: int, o: int) -> Any:
            a, b = nn.Conv2d(i, o, 3, 1, 1), nn.Conv2d(o, o, 3, 1, 1)
            return nn.Sequential(a, nn.BatchNorm2d(o), nn.ReLU(), b, nn.BatchNorm2d(o), nn.ReLU())

        def forward(self, x: Any) -> Any:
            a = self.down1(x)
            b = self.down2(F.max_pool2d(a, 2))
            y = self.up2(self.middle(F.max_pool2d(b, 2)))
            y = self.up1(self.join2(torch.cat([y, b], 1)))
            return self.head(self.join1(torch.cat([y, a], 1)))

    class Encoder(nn.Module):
        """A layer of BERT, with dropout and a mask of padding."""

        def __init__(self, width: int, heads: int, p: float) -> None:
            super().__init__()
            self.heads, self.p = heads, p
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.n1, self.n2, self.drop = nn.LayerNorm(width), nn.LayerNorm(width), nn.Dropout(p)

        def forward(self, x: Any, mask: Any = None) -> Any:
            q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.p)
            x = self.n1(x + self.drop(self.out(y.transpose(1, 2).flatten(2))))
            return self.n2(x + self.drop(self.down(F.gelu(self.up(x)))))

    class ViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 192, 4, 4)
            self.start = nn.Parameter(torch.zeros(1, 1, 192))
            self.position = nn.Parameter(torch.randn(1, 65, 192) * 0.02)
            self.layers = nn.Sequential(*(Encoder(192, 3, 0.0) for _ in range(4)))
            self.head = nn.Linear(192, 10)

        def forward(self, x: Any) -> Any:
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.start.expand(len(x), -1, -1), x], 1) + self.position
            return self.head(self.layers(x)[:, 0])

    class Bert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.position = nn.Embedding(1000, 128, padding_idx=0), nn.Embedding(128, 128)
            self.norm, self.drop = nn.LayerNorm(128), nn.Dropout(0.1)
            self.layers = nn.ModuleList(Encoder(128, 4, 0.1) for _ in range(3))
            self.head = nn.Linear(128, 2)

        def forward(self, x: Any) -> Any:
            mask = (x != 0)[:, None, None, :]
            y = self.drop(self.norm(self.words(x) + self.position(torch.arange(x.shape[1]))))
            for layer in self.layers:
                y = layer(y, mask)
            return self.head(y[:, 0])

    class Translator(nn.Module):
        """Sequence to sequence: GRUs, and attention at each step of the decoder."""

        def __init__(self) -> None:
            super().__init__()
            self.words, self.encoder = nn.Embedding(200, 64), nn.GRU(64, 128, batch_first=True)
            self.cell, self.query, self.head = nn.GRUCell(192, 128), nn.Linear(128, 128), nn.Linear(256, 200)

        def forward(self, x: Any) -> Any:
            e = self.words(x)
            seen, h = self.encoder(e)
            h, context, results = h[0], seen[:, -1], []
            for t in range(x.shape[1]):
                h = self.cell(torch.cat([e[:, t], context], 1), h)
                weights = F.softmax((seen @ self.query(h)[:, :, None])[..., 0], 1)
                context = (weights[:, None] @ seen)[:, 0]
                results.append(self.head(torch.cat([h, context], 1)))
            return torch.stack(results, 1).flatten(0, 1)

    def audio() -> Any:
        layers, i = [], 1
        for o, kernel, stride in ((32, 64, 4), (32, 3, 1), (64, 3, 1), (64, 3, 1)):
            layers += [nn.Conv1d(i, o, kernel, stride), nn.BatchNorm1d(o), nn.ReLU(), nn.MaxPool1d(4)]
            i = o
        return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 10))

    class Table(nn.Module):
        """Eight columns of categories (embedded) and eight of numbers."""

        def __init__(self) -> None:
            super().__init__()
            self.columns = nn.ModuleList(nn.Embedding(50, 8) for _ in range(8))
            self.layers = nn.Sequential(
                nn.Linear(72, 200), nn.ReLU(), nn.BatchNorm1d(200), nn.Dropout(0.1), nn.Linear(200, 100),
                nn.ReLU(), nn.BatchNorm1d(100), nn.Linear(100, 2),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            parts = [e(x[:, i].long()) for i, e in enumerate(self.columns)]
            return self.layers(torch.cat([*parts, x[:, 8:]], 1))

    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            a, b, c = nn.Conv2d(1, 32, 4, 2, 1), nn.Conv2d(32, 64, 4, 2, 1), nn.Linear(64 * 49, 32)
            self.encode = nn.Sequential(a, nn.LeakyReLU(0.2), b, nn.LeakyReLU(0.2), nn.Flatten(), c)
            a, b, c = (
                nn.Linear(32, 64 * 49),
                nn.ConvTranspose2d(64, 32, 4, 2, 1),
                nn.ConvTranspose2d(32, 1, 4, 2, 1),
            )
            self.decode = nn.Sequential(
                a, nn.Unflatten(1, (64, 7, 7)), nn.ReLU(), b, nn.ReLU(), c, nn.Flatten()
            )
            self.head = nn.Linear(784, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.decode(self.encode(x)))

    class Varying(nn.Module):
        """Another length in each step."""

        def __init__(self) -> None:
            super().__init__()
            self.words, self.rnn, self.head = (
                nn.Embedding(100, 64),
                nn.LSTM(64, 128, batch_first=True),
                nn.Linear(128, 10),
            )
            self.calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            length = 20 + self.calls * 37 % 60
            return self.head(self.rnn(self.words(x[:, :length]))[0][:, -1])

    def images(n: int, *shape: int) -> Any:
        return lambda: torch.randn(n, *shape)

    def numbers(most: int, *shape: int) -> Any:
        return lambda: torch.randint(0, most, shape)

    def adam(p: Any) -> Any:
        return optim.Adam(p, lr=1e-3)

    return {
        "mobilenet": (mobilenet, images(32, 3, 32, 32), numbers(10, 32), adam),
        "unet": (UNet, images(8, 1, 64, 64), numbers(2, 8, 64, 64), adam),
        "vit": (ViT, images(32, 3, 32, 32), numbers(10, 32), adam),
        "bert": (Bert, lambda: torch.randint(0, 1000, (16, 64)).triu(-20), numbers(2, 16), adam),
        "seq2seq": (Translator, numbers(200, 32, 20), numbers(200, 640), adam),
        "audio": (audio, images(16, 1, 8000), numbers(10, 16), adam),
        "table": (Table, lambda: torch.randint(0, 50, (256, 16)).float(), numbers(2, 256), adam),
        "autoencoder": (Autoencoder, images(64, 1, 28, 28), numbers(10, 64), adam),
        "lengths": (Varying, numbers(100, 32, 80), numbers(10, 32), adam),
    }  # fmt: skip
