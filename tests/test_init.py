"""`nn.init`: what each function guarantees whatever the numbers, and its errors."""

import math

import pytest

import flambeau as torch
from flambeau.nn import functional as F
from flambeau.nn import init

IN_PLACE = [
    init.uniform_,
    init.normal_,
    init.trunc_normal_,
    init.ones_,
    init.zeros_,
    init.eye_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
    lambda x: init.constant_(x, 2.0),
    lambda x: init.sparse_(x, 0.5),
    lambda x: init.dirac_(x.unsqueeze(2)).squeeze(2),
]


@pytest.mark.parametrize("fill", IN_PLACE)
def test_parameters_and_views_are_filled_without_history(fill):
    p = torch.nn.Parameter(torch.full((4, 6), 9.0))
    result = fill(p.data)
    assert not (p == 9.0).any()
    assert p.is_leaf and p.requires_grad and not result.requires_grad
    if fill in IN_PLACE[:-1]:
        assert fill(p) is p
    whole = torch.full((8, 6), 9.0)
    fill(whole[2:6])
    assert (whole[:2] == 9).all() and (whole[6:] == 9).all() and not (whole[2:6] == 9).any()


@pytest.mark.parametrize("fill", IN_PLACE[:3] + IN_PLACE[6:11])
def test_numbers_come_from_the_generator(fill):
    x, y = torch.empty(4, 6), torch.empty(4, 6)
    fill(x, generator=torch.Generator().manual_seed(1))
    before = torch.get_rng_state()
    fill(y, generator=torch.Generator().manual_seed(1))
    assert torch.equal(x, y) and torch.equal(before, torch.get_rng_state())


def test_bounds_and_moments():
    torch.manual_seed(0)
    x = torch.empty(200, 300)
    assert init.xavier_uniform_(x).abs().max() <= math.sqrt(6 / 500)
    assert init.xavier_normal_(x, gain=2.0).std().item() == pytest.approx(2 * math.sqrt(2 / 500), rel=0.02)
    assert init.kaiming_uniform_(x, nonlinearity="relu").abs().max() <= math.sqrt(6 / 300)
    assert init.kaiming_normal_(x, mode="fan_out", nonlinearity="relu").std().item() == pytest.approx(
        math.sqrt(2 / 200), rel=0.02
    )
    conv = torch.empty(8, 4, 5, 5)
    assert init._calculate_fan_in_and_fan_out(conv) == (100, 200)


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"), [(0, 1, -2, 2), (0.5, 2, 0, 0.3), (0, 1, 1.5, 4), (3, 1, 0, 2)]
)
def test_truncated_normal_stays_inside(mean, std, a, b):
    x = init.trunc_normal_(torch.empty(50, 50), mean, std, a, b)
    assert a <= x.min() and x.max() <= b
    assert x.unique().numel() > 2000


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (6, 2, 2), (1, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_orthogonal(shape, dtype):
    x = init.orthogonal_(torch.empty(shape, dtype=dtype), gain=2.0).flatten(1).double()
    rows, columns = x.shape
    product = x @ x.T if rows <= columns else x.T @ x
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5}.get(dtype, 0.05)
    assert torch.allclose(product, 4 * torch.eye(min(rows, columns), dtype=torch.float64), atol=tolerance)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_dirac_convolution_passes_channels_on(groups):
    x = torch.randn(2, 4, 5, 6)
    weight = init.dirac_(torch.empty(4, 4 // groups, 3, 3), groups)
    assert torch.allclose(F.conv2d(x, weight, padding=1, groups=groups), x)


def test_sparse_columns():
    x = init.sparse_(torch.empty(10, 5), 0.25)
    assert ((x == 0).sum(0) == 3).all()


def test_tensors_without_elements():
    for fill in (init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
            assert fill(torch.empty(0, 3)).shape == (0, 3)
    assert init.orthogonal_(torch.empty(0, 3)).shape == (0, 3)


def test_a_mean_far_outside_is_warned_of():
    with pytest.warns(UserWarning, match=r"mean 9.0 is more than 2 std \(1.0\) from \[-2.0, 2.0\]"):
        x = init.trunc_normal_(torch.empty(3), mean=9.0)
    assert x.max() <= 2


def test_errors():
    vector, matrix = torch.empty(3), torch.empty(3, 3)
    for call, text in [
        (lambda: init.xavier_uniform_(vector), r"fewer than 2 dimensions, got shape \(3,\)"),
        (lambda: init.kaiming_normal_(vector), "fewer than 2 dimensions"),
        (lambda: init.kaiming_uniform_(matrix, mode="in"), r"Mode 'in' not supported, .*'fan_in', 'fan_out'"),
        (lambda: init.kaiming_uniform_(matrix, nonlinearity="gelu"), "Unsupported nonlinearity 'gelu'"),
        (lambda: init.calculate_gain("leaky_relu", "0.1"), "negative_slope '0.1' not a valid number"),
        (lambda: init.calculate_gain("leaky_relu", True), "negative_slope True not a valid number"),
        (lambda: init.eye_(vector), r"eye_: Only tensors with 2 dimensions are supported, got shape \(3,\)"),
        (lambda: init.sparse_(vector, 0.1), "sparse_: Only tensors with 2 dimensions"),
        (lambda: init.orthogonal_(vector), "orthogonal_: Only tensors with 2 or more dimensions"),
        (lambda: init.dirac_(matrix), r"dirac_: Only tensors with 3, 4, or 5 dimensions .* \(3, 3\)"),
        (lambda: init.dirac_(torch.empty(3, 3, 3), 2), "dim 0 must be divisible by groups, 3 isn't by 2"),
        (lambda: init.dirac_(torch.empty(3, 3, 3), 0), "divisible by groups"),
    ]:
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(RuntimeError, match=r"from=1\.0 > to=0\.0"):
        init.uniform_(matrix, 1.0, 0.0)
    with pytest.raises(RuntimeError, match="expects std"):
        init.normal_(matrix, 0.0, -1.0)


def test_warnings_name_the_line_of_the_user():
    with pytest.warns(Warning) as caught:
        init.kaiming_normal_(torch.empty(0, 3))
        init.trunc_normal_(torch.empty(3), mean=9.0)
        init.uniform(torch.empty(3))
    assert [w.filename for w in caught] == [__file__] * 3
