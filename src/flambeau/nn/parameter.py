"""`Parameter` and `Buffer`: the tensors a module owns, told apart from others by their class."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn, TypeVar

from ..core.device import device as Device
from ..core.dispatch import disabled
from ..core.dtype import dtype as DType
from ..core.tensor import Tensor
from ..functions.creation import empty

T = TypeVar("T")


class _Owned(Tensor):
    """A tensor of a module: copies and pickles keep its class and what the user has set on it."""

    __torch_function__ = staticmethod(disabled)  # in functions it counts as a plain tensor

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            twin = memo[id(self)] = _rebuild(type(self), self.data.clone(), self.requires_grad)
            vars(twin).update(copy.deepcopy(self._attributes(), memo))
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.data, self.requires_grad), self._attributes() or None

    def _attributes(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in Tensor.__annotations__}


def _rebuild(cls: type[T], data: Tensor, requires_grad: bool) -> T:
    owned: T = Tensor._make_subclass(cls, data, requires_grad)
    return owned


class Parameter(_Owned):
    """A tensor that a module learns: assigned as an attribute of a module it joins `Module.parameters()`.

    It shares its memory with `data` and is a leaf of the graph.

    Args:
        data: the values; none gives an empty tensor.
        requires_grad: whether gradients are computed for it.

    Raises:
        TypeError: `data` is not a tensor, or `requires_grad` not a bool.
        RuntimeError: `requires_grad` with a dtype that is neither floating point nor complex.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Parameter(torch.zeros(2))
        Parameter containing:
        tensor([0., 0.], requires_grad=True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        return _own(cls, data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(_Owned):
    """A tensor that belongs to a module's state but is not learned, such as a running mean.

    Assigned as an attribute of a module it joins `Module.buffers()`, as with `Module.register_buffer`.

    Args:
        data: the values; none gives an empty tensor. Its `requires_grad` is kept.
        persistent: whether it is part of the module's `state_dict`.

    Raises:
        TypeError: `data` is not a tensor.

    Example:
        >>> import flambeau as torch
        >>> m = torch.nn.Module()
        >>> m.mean = torch.nn.Buffer(torch.zeros(2))
        >>> list(m.state_dict())
        ['mean']
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        buffer = _own(cls, data, isinstance(data, Tensor) and data.requires_grad)
        buffer.persistent = persistent
        return buffer


def _own(cls: type[T], data: Tensor | None, requires_grad: bool) -> T:
    """A new leaf of class `cls` on the memory of `data`."""
    if data is None:
        data = empty(0)
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{cls.__name__}: data must be a Tensor, got {type(data).__name__}; use torch.tensor(...)"
        )
    if not isinstance(requires_grad, bool):
        raise TypeError(f"{cls.__name__}: requires_grad must be a bool, got {requires_grad!r}")
    return _rebuild(cls, data, requires_grad)


# ----- not yet there -----


class UninitializedTensorMixin(Tensor):
    """A tensor of a lazy module whose shape is not known yet: what has no value, no operation can use."""

    __torch_function__ = staticmethod(disabled)
    cls_to_become: ClassVar[type[Tensor]] = Tensor
    _blank: Tensor  # of the dtype and on the device that the values will have
    _wanted: bool  # whether gradients will be computed

    def materialize(
        self, shape: Sequence[int], device: Device | str | None = None, dtype: DType | None = None
    ) -> None:
        """Becomes a tensor of that shape, whose values are still to be set.

        Args:
            shape: the extents.
            device, dtype: where and of which dtype; as asked for before, unless given.

        Example:
            >>> import flambeau as torch
            >>> p = torch.nn.UninitializedParameter()
            >>> p.materialize((2, 3))
            >>> type(p).__name__, p.shape
            ('Parameter', torch.Size([2, 3]))
        """
        wanted = self.requires_grad
        values = empty(*shape, device=device or self.device, dtype=dtype or self.dtype)
        del self._blank, self._wanted
        self.__class__ = self.cls_to_become  # type: ignore[assignment]
        vars(self).update(vars(Tensor._make_subclass(Tensor, values)))
        self.requires_grad = wanted

    def __getattr__(self, name: str) -> Any:
        if name == "_node":
            raise ValueError(
                f"Attempted to use an uninitialized parameter ({type(self).__name__}): its shape is not "
                "known before the lazy module that has it is called; call it once with a batch of data before"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def data(self) -> Tensor:
        return self._blank

    @data.setter
    def data(self, other: Tensor) -> None:
        self._blank = other.data

    @property
    def requires_grad(self) -> bool:
        return self._wanted

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        self._wanted = flag

    @property
    def dtype(self) -> DType:
        return self._blank.dtype

    @property
    def device(self) -> Device:
        return self._blank.device

    @property
    def is_meta(self) -> bool:
        return self._blank.is_meta

    @property
    def shape(self) -> NoReturn:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. Call the lazy module "
            "that has it once with a batch of data before (or its state is loaded into an initialized one)"
        )

    def detach(self) -> Tensor:
        return self

    def share_memory_(self) -> NoReturn:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call the lazy module that has it "
            "once with a batch of data before"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return memo.setdefault(id(self), _blank(type(self), self.requires_grad, self.device, self.dtype))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _blank, (type(self), self.requires_grad, self.device, self.dtype)


def _of_blank(name: str) -> Callable[..., Any]:
    def method(self: UninitializedTensorMixin, *args: Any, **kwargs: Any) -> Any:
        answer = getattr(self._blank, name)(*args, **kwargs)
        if isinstance(answer, Tensor):
            return _blank(type(self), self._wanted, answer.device, answer.dtype)
        return answer

    method.__name__ = name
    return method


for _name in ("to", "half", "bfloat16", "float", "double", "cpu", "cuda", "is_floating_point", "is_complex"):
    setattr(UninitializedTensorMixin, _name, _of_blank(_name))  # a module converts what it holds by these


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter of a lazy module whose shape is not known yet.

    Using it in an operation raises ValueError, asking for its shape RuntimeError.

    Args:
        requires_grad: whether gradients will be computed for it.
        device, dtype: of the values that it will have.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.UninitializedParameter()
        <UninitializedParameter>
    """

    cls_to_become = Parameter

    def __new__(
        cls, requires_grad: bool = True, device: Device | str | None = None, dtype: DType | None = None
    ) -> UninitializedParameter:
        return _blank(cls, requires_grad, device, dtype)


class UninitializedBuffer(UninitializedTensorMixin):
    """A buffer of a lazy module whose shape is not known yet.

    Using it in an operation raises ValueError, asking for its shape RuntimeError.

    Args:
        requires_grad: whether gradients will be computed for it.
        device, dtype: of the values that it will have.
        persistent: whether it is part of the module's `state_dict`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.UninitializedBuffer()
        <UninitializedBuffer>
    """

    persistent: bool

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Device | str | None = None,
        dtype: DType | None = None,
        persistent: bool = True,
    ) -> UninitializedBuffer:
        buffer = _blank(cls, requires_grad, device, dtype)
        buffer.persistent = persistent
        return buffer


def _blank(cls: type[T], requires_grad: bool, device: Device | str | None, dtype: DType | None) -> T:
    made: Any = object.__new__(cls)
    made._blank, made._wanted = empty(0, device=device, dtype=dtype), requires_grad
    return made  # type: ignore[no-any-return]


def is_lazy(param: Any) -> bool:
    """Whether a tensor's shape is not known yet.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.parameter import is_lazy
        >>> is_lazy(torch.nn.LazyLinear(2).weight), is_lazy(torch.ones(2))
        (True, False)
    """
    return isinstance(param, UninitializedTensorMixin)
