"""Reading and writing `x[...]` with all kinds of keys, compared with PyTorch: what is read, whether it is a
view, what is written where, gradients, and the classes of errors.
"""

import pytest
from both import difference, lines, run

import flambeau

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

KEYS = lines("""
    0
    -1
    2
    -3
    ...
    None
    :
    ()
    1:
    :-1
    ::2
    5:
    1:1
    -5:5
    2:0
    ::-1, 0
    ::0, 0
    0, 1
    0, 1, 2
    0, 1, 2, 3
    0, ..., 1
    ..., 0
    ..., None
    None, 0
    :, None
    None, ..., None
    ..., ...
    :, 1:, ::2
    0, None, 1:
    :, -1
    :, :, -5
    [0]
    [0, 1]
    [1, 0, 1]
    [[0, 1], [1, 0]]
    [-1]
    [2]
    []
    [True, False]
    [False, False]
    (0, 1)
    [0], [1]
    [0, 1], [2, 0]
    [0, 1], :, [3, 0]
    [0, 1], [2, 0], [1, 1]
    [0, 1], 1
    1, [2, 0]
    1, :, [2, 0]
    :, [2, 0]
    :, [2, 0], 1
    :, [2, 0], [1, 3]
    :, [[2, 0], [1, 1]]
    [0, 1], None, [1, 2]
    None, [0, 1]
    ..., [1, 2]
    [1], ..., [2]
    [0, 1], :, 2
    0, :, [True, False, True, False]
    [[0], [1]], [0, 2]
    T.tensor(1)
    T.tensor(-1)
    T.tensor(5)
    T.tensor([1, 0])
    T.tensor([[1, 0]])
    T.tensor([1, 0], dtype=T.int32)
    T.tensor([0.5])
    T.tensor([5])
    T.tensor([], dtype=T.int64)
    T.tensor([1, 0]), T.tensor(2)
    T.tensor(0), :, T.tensor([1, 2])
    :, T.tensor(1):
    :, T.tensor([1, 2]), 1:
    x > 5
    x > 100
    x[0] > 5
    x[:, :, 0] > 5
    T.tensor([True, False])
    T.tensor([True, False, True])
    :, T.tensor([True, False, True])
    T.tensor([True, True]), T.tensor([True, False, True])
    T.tensor([True, False]), [0, 1]
    T.tensor(True)
    T.tensor(False)
    True
    False
    None, True
    0, True
    True, 0
    np.array([0, 1])
    np.array(1)
    np.int64(1)
    np.array([True, False])
    x[0] > 5, 0
    slice(0, 1), slice(None)
    slice(T.tensor(0), T.tensor(1))
    range(2)
    1.0
    {0}
    [[0, 1], [1]]
    [None]
    [..., 0]
    [slice(0, 1)]
    ..., ..., 0
    0, ..., ..., [1, 2]
    np.array([[0], [1]]), :, [1, 2]
    np.array([True, False]), ..., np.array([0, 1])
    T.tensor([1, 0], dtype=T.int16)
    T.tensor([1, 0], dtype=T.uint8)
    True, T.tensor([1, 0], dtype=T.uint8)
    :, T.tensor([1, 0, 1], dtype=T.uint8), 0
    x[:, :, 0] > 5, [1]
    [0], None, ..., [1, 2]
    b
""")

WRITES = lines("""
    x[KEY] = 7; x
    x[KEY] = True; x
    x[KEY] = 2.5; x
    x[KEY] = T.tensor(3); x
    x[KEY] = x[KEY] * 2; x
    x[KEY] = T.arange(4.0); x
    x[KEY] = T.zeros(1, 1, 1, 1); x
    x[KEY] = T.ones(7); x
    x[KEY] = [1, 2, 3, 4]; x
    x[KEY] += 1; x
    y = x[KEY]; y *= 2; x
    i[KEY] = 2.7; i
    i[KEY] = f; i
    b[KEY] = 3; b
    c[KEY] = 1 + 2j; c
    v[KEY] = v.clone(); v
    s[KEY] = 4; s
    e[KEY] = 4; e
    y = x.transpose(0, 2); y[KEY] = 5; x
""")
READS = lines("""
    x[KEY]
    x[KEY].shape
    x.transpose(0, 2)[KEY]
    v[KEY]
    s[KEY]
    e[KEY]
    m[KEY]
    y = x[KEY]; x.zero_(); y
    y = x[KEY]; y.fill_(9); x
    y = x[KEY]; y.is_contiguous()
    x.requires_grad_(); (x[KEY] ** 2).sum().backward(); x.grad
    x.requires_grad_(); y = x * 2; y[KEY] = 3; (y ** 2).sum().backward(); x.grad
    x.requires_grad_(); y = x.clone(); y[KEY] = x[KEY] * 3; (y ** 2).sum().backward(); x.grad
    m.requires_grad_(); y = T.ones(2, 3, 4); y[KEY] = m[0, 0]; (y ** 2).sum().backward(); m.grad
""")


@pytest.mark.parametrize("key", KEYS)
def test_a_key(key):
    expressions = [e.replace("KEY", key) for e in READS + WRITES]
    found = {e: difference(run(flambeau, e), run(torch, e)) for e in expressions}
    wrong = [f"{expression}: {what}" for expression, what in found.items() if what]
    assert not wrong, "\n".join(wrong)
