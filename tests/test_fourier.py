"""Fourier transforms: what they owe to mathematics, their gradients, and their errors."""

import numpy as np
import pytest

import flambeau as torch
from flambeau.ops.samples import spread


def close(got, want, tolerance=1e-12):
    np.testing.assert_allclose(np.asarray(got), want, rtol=tolerance, atol=tolerance)


def signal(*shape, seed=0):
    return torch.tensor(spread(shape, -1, 1, seed))


def spectrum(*shape):
    return torch.complex(signal(*shape), signal(*shape, seed=1))


PAIRS = [("fft", "ifft"), ("fft2", "ifft2"), ("fftn", "ifftn")]
REAL_PAIRS = [
    ("rfft", "irfft"),
    ("rfft2", "irfft2"),
    ("rfftn", "irfftn"),
    ("ihfft", "hfft"),
    ("ihfftn", "hfftn"),
]


@pytest.mark.parametrize("norm", [None, "ortho", "forward", "backward"])
@pytest.mark.parametrize("there, back", PAIRS)
def test_there_and_back(there, back, norm):
    x = spectrum(3, 4, 5)
    y = getattr(torch.fft, back)(getattr(torch.fft, there)(x, norm=norm), norm=norm)
    close(y, x.numpy())


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("there, back", REAL_PAIRS)
def test_there_and_back_for_real_numbers(there, back, norm):
    for last in (4, 5):
        x = signal(3, 4, last)
        sizes = {"s": (4, last)} if back.endswith("n") else {"s": (4, last)} if "2" in back else {"n": last}
        y = getattr(torch.fft, there)(x, **sizes, norm=norm)
        close(getattr(torch.fft, back)(y, **sizes, norm=norm), x.numpy())


def test_the_definition():
    x, n = spectrum(7), np.arange(7)
    matrix = np.exp(-2j * np.pi * np.outer(n, n) / 7)
    close(torch.fft.fft(x), matrix @ x.numpy())
    close(torch.fft.ifft(x), matrix.conj() @ x.numpy() / 7)
    close(torch.fft.hfft(x[:4], 7), np.fft.hfft(x[:4].numpy(), 7))


def test_the_root_keeps_lengths():
    x = spectrum(4, 6)
    close(torch.linalg.vector_norm(torch.fft.fft2(x, norm="ortho")), np.linalg.norm(x.numpy()))


def test_narrow_numbers_stay_narrow():
    x = torch.ones(8)
    assert torch.fft.fft(x).dtype is torch.complex64
    assert torch.fft.irfft(torch.fft.rfft(x)).dtype is torch.float32
    assert torch.fft.fft(x.int()).dtype is torch.complex64
    assert torch.fft.rfft(x.double()).dtype is torch.complex128


def test_trimmed_and_padded():
    x = signal(6)
    close(torch.fft.fft(x, 4), np.fft.fft(x.numpy()[:4]))
    close(torch.fft.fft(x, 9), np.fft.fft(x.numpy(), 9))
    close(torch.fft.rfftn(signal(4, 6), (6, 3)), np.fft.rfftn(signal(4, 6).numpy(), (6, 3), (0, 1)))
    close(torch.fft.fftn(signal(4, 6), (-1, 3)), np.fft.fftn(signal(4, 6).numpy(), (4, 3), (0, 1)))


def test_nothing_in_a_batch():
    assert torch.fft.fft(torch.ones(0, 4)).shape == (0, 4)
    assert torch.fft.irfft(torch.ones(0, 4)).shape == (0, 6)


FUNCTIONS = {
    "fft": lambda x: torch.fft.fft(x, 5),
    "ifft": lambda x: torch.fft.ifft(x, dim=0, norm="ortho"),
    "rfft": lambda x: torch.fft.rfft(x.real),
    "rfft odd": lambda x: torch.fft.rfft(x.real, 3, norm="forward"),
    "irfft": lambda x: torch.fft.irfft(x),
    "irfft odd": lambda x: torch.fft.irfft(x, 5),
    "hfft": lambda x: torch.fft.hfft(x),
    "ihfft": lambda x: torch.fft.ihfft(x.imag),
    "fftn": lambda x: torch.fft.fftn(x),
    "rfftn": lambda x: torch.fft.rfftn(x.real, norm="ortho"),
    "irfftn": lambda x: torch.fft.irfftn(x, (3, 4)),
    "stft": lambda x: torch.stft(x.real, 2, 1, window=torch.tensor([0.5, 1.0]), return_complex=True),
    "istft": lambda x: torch.istft(x, 4, 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name):
    x = spectrum(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(FUNCTIONS[name], x)
    assert torch.autograd.gradgradcheck(FUNCTIONS[name], x)


@pytest.mark.parametrize(
    "options", [{}, {"hop_length": 3, "win_length": 6}, {"center": False}, {"normalized": True}]
)
def test_a_signal_from_its_short_spectra(options):
    x = signal(2, 48)
    window = torch.tensor(spread((options.get("win_length", 8),), 0.5, 1))
    y = torch.stft(x, 8, **options, window=window, return_complex=True)
    close(torch.istft(y, 8, **options, window=window, length=48)[:, :44], x.numpy()[:, :44], 1e-6)


def test_a_piece_is_a_transform():
    x = signal(20)
    y = torch.stft(x, 8, 4, center=False, return_complex=True)
    assert y.shape == (5, 4)
    close(y[:, 1], np.fft.rfft(x.numpy()[4:12]))


def test_a_length_beyond_the_last_piece_is_filled_with_zeros():
    y = torch.stft(signal(16), 8, return_complex=True)
    with pytest.warns(UserWarning, match="shorter than the length parameter"):
        assert torch.istft(y, 8, length=30)[24:].abs().max() == 0


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: torch.fft.fft(torch.ones(4).half()), RuntimeError, "Unsupported dtype float16"),
        (lambda: torch.fft.fft(torch.ones(0)), RuntimeError, r"Invalid number of data points \(0\)"),
        (lambda: torch.fft.fft(torch.ones(())), IndexError, "no dimensions"),
        (lambda: torch.fft.fft(torch.ones(3), norm="x"), RuntimeError, 'Invalid normalization mode: "x"'),
        (lambda: torch.fft.fft(torch.ones(3), n=2.5), TypeError, "argument 'n' must be int"),
        (lambda: torch.fft.rfft(spectrum(3)), RuntimeError, "expects a real input"),
        (lambda: torch.fft.rfftn(torch.ones(())), RuntimeError, "at least one axis"),
        (lambda: torch.fft.fftn(torch.ones(2, 2), dim=(0, 0)), RuntimeError, "dims must be unique"),
        (lambda: torch.fft.fftn(torch.ones(2), (2, 2)), RuntimeError, "only has 1 dimensions"),
        (lambda: torch.fft.irfft(spectrum(3), out=spectrum(4)), RuntimeError, "floating point output"),
        (lambda: torch.stft(signal(9), 4), RuntimeError, "requires the return_complex parameter"),
        (lambda: torch.stft(signal(9), 30, return_complex=True), RuntimeError, "Padding size"),
        (lambda: torch.istft(signal(3, 4), 4), RuntimeError, "requires a complex-valued input"),
        (lambda: torch.istft(spectrum(3, 4), 4, window=torch.zeros(4)), RuntimeError, "overlap add min"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
