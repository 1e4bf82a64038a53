"""Mixed precision beside PyTorch's: dtypes of results under autocast, training steps, scale factors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:autocast to")

# Calls on float32 tensors v (4), m and n (4, 4), b (2, 4, 4), p (4, 4, positive definite), x (1, 2, 6, 6),
# d (1, 2, 4, 4, 4), w (3, 2, 3, 3), h (4, 4 of bfloat16), f64 (4, 4), i (labels).
CALLS = """
m @ n
h @ m
h @ h
f64 @ f64
T.matmul(b, m)
T.matmul(m, v)
T.matmul(v, v)
T.mm(m, n)
T.bmm(b, b)
T.mv(m, v)
T.dot(v, v)
T.vdot(v, v)
T.outer(v, v)
T.inner(m, n)
T.tensordot(m, n)
T.einsum("ij,jk->ik", m, n)
T.einsum("ij,ij->i", m, n)
T.einsum("bij,jk->bik", b, n)
T.einsum("i,j->ij", v, v)
T.addmm(m, m, n)
T.addmv(v, m, v)
T.addbmm(m, b, b)
T.baddbmm(b, b, b)
T.addr(m, v, v)
T.chain_matmul(m, n, m)
T.linalg.multi_dot([m, n, m])
T.linalg.vecdot(m, n)
T.linalg.matrix_power(m, 3)
T.matrix_exp(m)
T.kron(m, n)
T.mm(m, n, out=T.empty(4, 4))
F.linear(m, n)
F.linear(m, n, v)
F.linear(h, n, v)
F.linear(b, n)
F.bilinear(m, n, b[:, :, :])
F.conv1d(b, b)
F.conv1d(b, b, padding="same")
F.conv2d(x, w)
F.conv2d(x, w, T.zeros(3), padding=1)
F.conv3d(d, d)
F.conv_transpose1d(b, b.transpose(0, 1))
F.conv_transpose2d(x, w.transpose(0, 1))
F.conv_transpose3d(d, d.transpose(0, 1))
T.conv_tbc(b, b[:, :, :4].repeat(1, 1, 1), v)
T.convolution(x, w, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
F.prelu(m, v[:1])
F.scaled_dot_product_attention(b, b, b)
F.scaled_dot_product_attention(b, b, b, is_causal=True)
F.scaled_dot_product_attention(b, b, b, attn_mask=m)
F.avg_pool2d(x.to(T.bfloat16), 2)
F.avg_pool3d(d.to(T.bfloat16), 2)
F.max_pool2d(x.to(T.bfloat16), 2)
F.max_pool3d(d.to(T.bfloat16), 2)
F.adaptive_avg_pool2d(x.to(T.bfloat16), 2)
F.adaptive_avg_pool3d(d.to(T.bfloat16), 2)
F.adaptive_max_pool2d(x.to(T.bfloat16), 2)
F.adaptive_max_pool3d(d.to(T.bfloat16), 2)
F.fractional_max_pool2d(x.to(T.bfloat16), 2, output_size=2)
F.fractional_max_pool3d(d.to(T.bfloat16), 2, output_size=2)
F.max_unpool1d(h, T.arange(4).repeat(4, 1) * 2, 2)
F.max_unpool2d(x[:, :, :2, :2].to(T.bfloat16), T.arange(4).reshape(1, 1, 2, 2).repeat(1, 2, 1, 1), 2)
F.binary_cross_entropy(m.sigmoid(), n.sigmoid())
F.binary_cross_entropy_with_logits(h, h.sigmoid())
F.mse_loss(h, m)
F.mse_loss(h, h)
F.l1_loss(h, h)
F.smooth_l1_loss(h, h)
F.huber_loss(h, h)
F.soft_margin_loss(h, h.sign())
F.kl_div(h, h.exp(), reduction="sum")
F.nll_loss(h, i)
F.cross_entropy(h, i)
F.cross_entropy(h, i, label_smoothing=0.1)
F.cross_entropy(x.to(T.bfloat16), T.zeros(1, 6, 6, dtype=T.long))
F.poisson_nll_loss(h, h.exp())
F.gaussian_nll_loss(m, m, p.abs())
F.cosine_embedding_loss(h, h, v.sign())
F.hinge_embedding_loss(h, h.sign())
F.margin_ranking_loss(h, h, h.sign())
F.triplet_margin_loss(h, h, h)
F.multi_margin_loss(h, i)
F.multilabel_margin_loss(h, T.zeros(4, 4, dtype=T.long))
F.multilabel_soft_margin_loss(h, h.sigmoid())
F.ctc_loss(b.log_softmax(-1).to(T.bfloat16), T.ones(4, 1, dtype=T.long), T.full((4,), 2), T.full((4,), 1))
F.cosine_similarity(h, h)
F.pairwise_distance(h, h)
F.grid_sample(x.to(T.bfloat16), T.zeros(1, 2, 2, 2, dtype=T.bfloat16), align_corners=False)
F.affine_grid(m[:2, :3].unsqueeze(0), [1, 1, 2, 2], align_corners=False)
F.pad(h, (1, 1))
F.pad(h, (1, 1), mode="reflect")
F.pad(x.to(T.bfloat16), (1, 1, 1, 1), mode="reflect")
F.pad(x.to(T.bfloat16), (1, 1, 1, 1), mode="replicate")
F.pad(d.to(T.bfloat16), (1, 1, 1, 1, 1, 1), mode="replicate")
F.pad(x.to(T.bfloat16), (1, 1, 1, 1), mode="circular")
F.layer_norm(m, (4,))
F.layer_norm(h, (4,))
F.softmax(h, -1)
F.log_softmax(h, -1)
F.gelu(h)
F.embedding(i, h)
F.interpolate(x.to(T.bfloat16), scale_factor=2)
F.batch_norm(x.to(T.bfloat16), T.zeros(2), T.ones(2))
F.group_norm(x.to(T.bfloat16), 1)
T.polar(m.abs(), n)
T.prod(h)
T.prod(h, 0)
h.prod()
T.quantile(h, 0.5)
T.nanquantile(h, 0.5)
T.stft(v.repeat(8).to(T.bfloat16), 4, return_complex=True)
T.cdist(h, h)
T.trace(h)
T.view_as_complex(h.reshape(4, 2, 2))
T.cholesky(p.to(T.bfloat16))
T.cholesky_inverse(p.to(T.bfloat16))
T.cholesky_solve(h, p.to(T.bfloat16))
T.inverse(p.to(T.bfloat16))
T.pinverse(p.to(T.bfloat16))
T.det(p)
T.logdet(p)
T.linalg.cond(p.to(T.bfloat16))
T.linalg.matrix_rank(p.to(T.bfloat16))
T.linalg.solve(p.to(T.bfloat16), h)
T.linalg.cholesky(p.to(T.bfloat16))
T.linalg.cholesky_ex(p.to(T.bfloat16))
T.linalg.svdvals(h)
T.linalg.eigvals(h)
T.linalg.eigvalsh(p.to(T.bfloat16))
T.linalg.inv(p.to(T.bfloat16))
T.linalg.inv_ex(p.to(T.bfloat16))
T.linalg.householder_product(h, v.to(T.bfloat16))
T.linalg.tensorinv(p.to(T.bfloat16).reshape(4, 2, 2), 1)
T.linalg.tensorsolve(p.to(T.bfloat16), v.to(T.bfloat16))
T.linalg.qr(h)
T.linalg.svd(h)
T.linalg.eig(h)
T.linalg.eigh(p.to(T.bfloat16))
T.linalg.lstsq(p.to(T.bfloat16), h)
T.geqrf(h)
T.lu(p.to(T.bfloat16))
T.qr(h)
T.svd(h)
T.triangular_solve(h, p.to(T.bfloat16))
T.fft.fft(h)
T.fft.ifft(h)
T.fft.rfft(h)
T.fft.irfft(h)
T.fft.hfft(h)
T.fft.fft2(h)
T.fft.rfft2(h)
T.fft.fftn(h)
T.fft.ifftn(h)
T.fft.irfftn(h)
T.cat([m, h])
T.cat([h, h])
T.stack([m, h])
T.stack([h, h])
T.index_copy(m, 0, i, h)
T.index_copy(h, 0, i, m)
h + m
h * 2
h.sum()
h.mean()
h.exp()
h.softmax(0)
h.log_softmax(0)
h.norm()
T.norm(h)
T.cumsum(h, 0)
T.cumprod(h, 0)
T.where(m > 0, m, h)
T.lerp(m, n, 0.5)
T.addcmul(m, m, n)
T.topk(h, 2)
nn.LSTM(4, 3)(b)
nn.GRU(4, 3)(b)
nn.RNN(4, 3)(b)
nn.LSTMCell(4, 3)(m)
nn.GRUCell(4, 3)(m)
nn.RNNCell(4, 3)(m)
nn.MultiheadAttention(4, 2)(b, b, b)
nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0)(b)
nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0)(b, b)
nn.Bilinear(4, 4, 2)(m, n)
nn.EmbeddingBag(4, 3)(i.reshape(1, 4))
""".strip().splitlines()


def _space(T: object) -> dict[str, object]:
    rng = np.random.default_rng(0)
    new = lambda *shape: T.tensor(rng.normal(size=shape).astype(np.float32))  # noqa: E731
    m = new(4, 4)
    return {
        "T": T, "F": T.nn.functional, "nn": T.nn, "v": new(4), "m": m, "n": new(4, 4), "b": new(2, 4, 4),
        "p": m @ m.T + 4 * T.eye(4), "x": new(1, 2, 6, 6), "d": new(1, 2, 4, 4, 4), "w": new(3, 2, 3, 3),
        "h": m.to(T.bfloat16), "f64": m.to(T.float64), "i": T.tensor([0, 1, 2, 3]),
    }  # fmt: skip


def _leaves(value: object) -> list[object]:
    if isinstance(value, (tuple, list)):
        return [leaf for x in value for leaf in _leaves(x)]
    return [] if value is None else [value]


def _outcome(T: object, call: str, d: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        space = _space(T)
        try:
            with T.autocast("cpu", dtype=getattr(T, d)):
                return [str(x.dtype).split(".")[-1] for x in _leaves(eval(call, space))]
        except (RuntimeError, TypeError, NotImplementedError, ValueError) as error:
            return f"raises {type(error).__name__}: {error}"


@pytest.mark.parametrize("call", CALLS)
def test_dtypes(call: str) -> None:
    theirs, ours = (_outcome(T, call, "bfloat16") for T in (torch, flambeau))
    if isinstance(theirs, str):
        pytest.skip(f"PyTorch {theirs[:80]}")
    assert ours == theirs


def test_float16_and_errors_of_promotion() -> None:
    for call in ("m @ n", "F.linear(h, n, v)", "F.mse_loss(h, m)", "F.conv2d(x, w)"):
        assert _outcome(flambeau, call, "float16") == _outcome(torch, call, "float16")


def _gpt(T: object) -> list[float]:
    """Losses of a small language model's steps under autocast."""
    nn, F = T.nn, T.nn.functional

    class Layer(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: object) -> object:
            q, k, v = (t.unflatten(-1, (4, -1)).transpose(1, 2) for t in self.qkv(self.n1(x)).chunk(3, -1))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
            x = x + self.out(y)
            return x + self.down(F.gelu(self.up(self.n2(x))))

    T.manual_seed(0)
    net = nn.Sequential(
        nn.Embedding(40, 32), Layer(32), Layer(32), nn.LayerNorm(32), nn.Linear(32, 40), nn.Flatten(0, 1)
    )
    x, y = T.randint(0, 40, (4, 24)), T.randint(0, 40, (96,))
    rule, losses = T.optim.AdamW(net.parameters(), lr=3e-3), []
    for _ in range(8):
        rule.zero_grad()
        with T.autocast("cpu", dtype=T.bfloat16):
            loss = F.cross_entropy(net(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        rule.step()
        losses.append(loss.item())
    assert all(p.dtype is T.float32 and p.grad.dtype is T.float32 for p in net.parameters())
    return losses


def test_training_of_a_language_model() -> None:
    assert _gpt(flambeau) == pytest.approx(_gpt(torch), abs=2e-2)


def _scales(T: object) -> list[object]:
    w = T.nn.Parameter(T.ones(3))
    rule = T.optim.SGD([w], lr=0.1, momentum=0.9)
    scaler = T.amp.GradScaler(
        "cpu", init_scale=2.0**10, growth_factor=3.0, backoff_factor=0.25, growth_interval=3
    )
    seen: list[object] = []
    for factor in (1, 2, np.inf, 1, 1, 1, np.nan, np.inf, 1, 1, 1, 1, 1, 1, 1):
        rule.zero_grad()
        scaler.scale((w * float(factor)).sum()).backward()
        scaler.unscale_(rule)
        T.nn.utils.clip_grad_norm_([w], 1.0)
        scaler.step(rule)
        scaler.update()
        seen.append((scaler.get_scale(), scaler.state_dict()["_growth_tracker"], round(w[0].item(), 4)))
    return seen


def test_scales_after_infinities() -> None:
    assert _scales(flambeau) == _scales(torch)


def test_states_and_names() -> None:
    for device in ("cpu", "cuda", "xpu", "mps", "hpu"):
        dtypes = [str(T.get_autocast_dtype(device)) for T in (torch, flambeau)]
        assert dtypes[0] == dtypes[1]
        assert torch.amp.is_autocast_available(device) == flambeau.amp.is_autocast_available(device)
    ours = torch.amp.GradScaler("cpu").state_dict()
    assert ours == flambeau.amp.GradScaler("cpu").state_dict()
    for name in (n for n in dir(torch) if "autocast" in n and "ipu" not in n and "xla" not in n):
        assert hasattr(flambeau, name), name
