"""Pruning: parts of a parameter set to zero by a mask, before each call."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, TypeVar

from ...core.tensor import Tensor
from ...functions.creation import ones_like, zeros_like
from ...functions.norms import vector_norm
from ...functions.random import rand, rand_like
from ...functions.sorting import kthvalue, topk
from ..module import Module
from .convert_parameters import parameters_to_vector

M = TypeVar("M", bound=Module)


class BasePruningMethod(ABC):
    """A way of pruning: a hook that multiplies a parameter by its mask before each call.

    A subclass says in `compute_mask` what the mask is, and in `PRUNING_TYPE` what it sees when a parameter is
    pruned again: "unstructured" what is left, as a vector, "structured" the channels along `dim` that are
    left, "global" everything.
    """

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask: 1 where something stays.

        Args:
            t: how important each element is.
            default_mask: the mask before.
        """

    def apply_mask(self, module: Module) -> Tensor:
        """The parameter as its mask leaves it."""
        mask, original = (getattr(module, self._tensor_name + part) for part in ("_mask", "_orig"))
        return mask.to(dtype=original.dtype) * original  # type: ignore[no-any-return]

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prunes a parameter, which becomes `<name>_orig`, by a mask, which becomes the buffer `<name>_mask`.

        Args:
            module, name: the module, and which parameter of it.
            args, kwargs: what the method is built with.
            importance_scores: how important each element is; by default its value says so.

        Returns:
            The hook: the method, or a `PruningContainer` if the parameter is pruned again.

        Raises:
            AssertionError: `importance_scores` have another shape.
        """
        method = _joined(cls(*args, **kwargs), module, name)
        original = getattr(module, name)
        scores = _checked_scores(original, importance_scores)
        again = isinstance(method, PruningContainer)
        if again:
            before = getattr(module, f"{name}_mask").detach().clone()
        else:
            module.register_parameter(f"{name}_orig", original)
            del module._parameters[name]
            before = ones_like(original.detach())
        try:
            module.register_buffer(f"{name}_mask", method.compute_mask(scores.detach(), default_mask=before))
            setattr(module, name, method.apply_mask(module))
            module.register_forward_pre_hook(method)
        except Exception:
            if not again:
                module.register_parameter(name, getattr(module, f"{name}_orig"))
                del module._parameters[f"{name}_orig"]
            raise
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """A tensor as this method leaves it.

        Args:
            t: the tensor.
            default_mask: the mask before; of ones unless given.
            importance_scores: how important each element is; by default its value says so.
        """
        scores = _checked_scores(t, importance_scores)
        mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module: Module) -> None:
        """Makes what is left the parameter, for good."""
        name = self._tensor_name
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters.pop(f"{name}_orig")
        assert original is not None
        original.data = weight.data
        del module._buffers[f"{name}_mask"]
        setattr(module, name, original)


def _checked_scores(t: Tensor, scores: Tensor | None) -> Tensor:
    if scores is not None and scores.shape != t.shape:
        raise AssertionError(
            f"prune: importance_scores should have the same shape as the parameter, got "
            f"{tuple(scores.shape)} vs {tuple(t.shape)}"
        )
    return t if scores is None else scores


def _joined(method: BasePruningMethod, module: Module, name: str) -> BasePruningMethod:
    """The method, after those that prune the parameter already, whose hook is taken off."""
    method._tensor_name = name
    hooks = module._forward_pre_hooks
    for key, old in list(hooks.items()):
        if isinstance(old, BasePruningMethod) and old._tensor_name == name:
            del hooks[key]
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            container.add_pruning_method(method)
            return container
    return method


class PruningContainer(BasePruningMethod):
    """Several ways of pruning one parameter, the last of which is applied to what the others left.

    Args:
        args: the methods.
    """

    PRUNING_TYPE = "container"

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Adds a method.

        Raises:
            TypeError: it is none.
            ValueError: it prunes another parameter.
        """
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"prune: {type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                "prune: Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask before, without what the last method prunes of the rest."""
        method = self._pruning_methods[-1]
        rest = _rest(method, t, default_mask)
        mask = default_mask.to(dtype=t.dtype).clone()
        mask[rest] = method.compute_mask(t[rest], default_mask=default_mask[rest]).to(dtype=mask.dtype)
        return mask


def _rest(method: BasePruningMethod, t: Tensor, mask: Tensor) -> Any:
    """The index of what a method sees when it prunes again."""
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    if method.PRUNING_TYPE == "global":
        return (slice(None),) * t.ndim
    if method.PRUNING_TYPE != "structured":
        raise ValueError(f"prune: Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    if not hasattr(method, "dim"):
        raise AttributeError(
            'prune: Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
        )
    if not -t.ndim <= method.dim < t.ndim:
        raise IndexError(f"prune: Index {method.dim} is out of bounds for tensor with dimensions {t.ndim}")
    dim = method.dim % t.ndim
    kept = mask.sum(dim=[d for d in range(t.ndim) if d != dim]) != 0
    return (*(slice(None),) * dim, kept)


# ----- amounts -----


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"prune: Invalid type for amount: {amount!r}. Must be int or float.")
    whole = isinstance(amount, numbers.Integral)
    if (whole and amount < 0) or (not whole and not 0.0 <= float(amount) <= 1.0):
        raise ValueError(
            f"prune: amount={amount} should either be a float in the range [0, 1] or a non-negative integer"
        )


def _number(amount: Any, size: int) -> int:
    """How many of `size` shall go."""
    number = int(amount) if isinstance(amount, numbers.Integral) else round(amount * size)
    if number > size:
        raise ValueError(
            f"prune: amount={amount} should be smaller than the number of parameters to prune={size}"
        )
    return number


# ----- the methods -----


class Identity(BasePruningMethod):
    """Prunes nothing, and makes a mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask before."""
        return default_mask


class _Unstructured(BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def _without(self, t: Tensor, default_mask: Tensor, worth: Any, largest: bool) -> Tensor:
        """The mask before without the elements of the largest or least worth."""
        number = _number(self.amount, t.numel())
        mask = default_mask.clone().contiguous()
        if number:
            mask.view(-1)[topk(worth().reshape(-1), number, largest=largest).indices] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes elements at random.

    Args:
        amount: how many, or which share of them.
    """

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask before without some elements."""
        return self._without(t, default_mask, lambda: rand_like(t), True)


class L1Unstructured(_Unstructured):
    """Prunes the elements of the least absolute value.

    Args:
        amount: how many, or which share of them.
    """

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask before without some elements."""
        return self._without(t, default_mask, lambda: t.abs(), False)


class _Structured(BasePruningMethod):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount, self.dim = amount, dim

    def _channels(self, t: Tensor) -> tuple[int, int]:
        """How many channels there are, and how many shall go."""
        if t.ndim <= 1:
            raise ValueError(
                "prune: Structured pruning can only be applied to multidimensional tensors. Found tensor of "
                f"shape {tuple(t.shape)} with {t.ndim} dims"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"prune: Invalid index {self.dim} for tensor of size {tuple(t.shape)}")
        size = t.shape[self.dim]
        return size, _number(self.amount, size)

    def _only(self, t: Tensor, default_mask: Tensor, kept: Tensor) -> Tensor:
        """The mask before, without the channels that aren't kept."""
        mask = zeros_like(t)
        mask[(*(slice(None),) * (self.dim % t.ndim), kept)] = 1
        return mask * default_mask.to(dtype=mask.dtype)


class RandomStructured(_Structured):
    """Prunes channels at random.

    Args:
        amount: how many, or which share of them.
        dim: the dimension of the channels.
    """

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask before without some channels."""
        size, number = self._channels(t)
        if not number:
            return default_mask
        worth = rand(size)
        return self._only(t, default_mask, worth > kthvalue(worth, number).values)


class LnStructured(_Structured):
    """Prunes the channels of the least norm.

    Args:
        amount: how many, or which share of them.
        n: the exponent of the norm.
        dim: the dimension of the channels.
    """

    def __init__(self, amount: float, n: float, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask before without some channels."""
        size, number = self._channels(t)
        if not number:
            return default_mask
        norm = vector_norm(t, self.n, [d for d in range(t.ndim) if d != self.dim % t.ndim])
        return self._only(t, default_mask, topk(norm, size - number).indices)


class CustomFromMask(BasePruningMethod):
    """Prunes by a given mask.

    Args:
        mask: 1 where something stays.
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Where both masks leave something."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"prune: the mask's shape {tuple(self.mask.shape)} must match the parameter's, "
                f"{tuple(default_mask.shape)}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)


# ----- the functions -----


def identity(module: M, name: str) -> M:
    """Prunes nothing of a parameter, and makes a mask of ones.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> list(prune.identity(torch.nn.Linear(2, 1), "weight").state_dict())
        ['bias', 'weight_orig', 'weight_mask']
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: M, name: str, amount: float) -> M:
    """Prunes elements of a parameter at random: so many, or such a share of them.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.random_unstructured(torch.nn.Linear(4, 5), "weight", 0.5)
        >>> layer.weight_mask.sum()
        tensor(10.)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: M, name: str, amount: float, importance_scores: Tensor | None = None) -> M:
    """Prunes the elements of a parameter with the least absolute value: so many, or such a share of them.

    Args:
        module, name: the module, and which parameter of it.
        amount: how many, or which share of them.
        importance_scores: what to compare instead of the values.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = torch.nn.Linear(3, 1)
        >>> layer.weight.data = torch.tensor([[3.0, -1.0, 2.0]])
        >>> prune.l1_unstructured(layer, "weight", 1).weight.tolist()
        [[3.0, -0.0, 2.0]]
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: M, name: str, amount: float, dim: int) -> M:
    """Prunes channels of a parameter, along `dim`, at random: so many, or such a share of them.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.random_structured(torch.nn.Linear(4, 5), "weight", 2, dim=0)
        >>> layer.weight_mask.sum()
        tensor(12.)
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: M, name: str, amount: float, n: float, dim: int, importance_scores: Tensor | None = None
) -> M:
    """Prunes the channels of a parameter, along `dim`, with the least norm: so many, or such a share of them.

    Args:
        module, name: the module, and which parameter of it.
        amount: how many, or which share of them.
        n: the exponent of the norm.
        dim: the dimension of the channels.
        importance_scores: what to compare instead of the values.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.ln_structured(torch.nn.Linear(4, 5), "weight", 2, n=2, dim=0)
        >>> layer.weight_mask.sum()
        tensor(12.)
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: M, name: str, mask: Tensor) -> M:
    """Prunes a parameter by a given mask: 1 where something stays.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.custom_from_mask(torch.nn.Linear(3, 1), "bias", torch.zeros(1))
        >>> layer.bias.item() == 0
        True
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prunes several parameters as if they were one.

    Args:
        parameters: pairs of a module and a parameter's name.
        pruning_method: an unstructured method.
        importance_scores: what to compare instead of the values, by pair.
        kwargs: what the method is built with.

    Raises:
        TypeError: arguments of another kind, or a method that isn't unstructured.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> a, b = torch.nn.Linear(4, 5), torch.nn.Linear(5, 2)
        >>> prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=10)
        >>> a.weight_mask.sum() + b.weight_mask.sum()
        tensor(20.)
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    if importance_scores is not None and not isinstance(importance_scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs, scores = list(parameters), importance_scores or {}
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'global_unstructured(): Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. '
            f"Found method {pruning_method} of type {method.PRUNING_TYPE}"
        )
    values = parameters_to_vector([scores.get(pair, getattr(*pair)).detach() for pair in pairs])
    masks = parameters_to_vector(
        [getattr(m, f"{name}_mask", ones_like(getattr(m, name).detach())) for m, name in pairs]
    )
    container = PruningContainer.__new__(PruningContainer)
    container._tensor_name = method._tensor_name = "temp"
    container._pruning_methods = (method,)
    mask, start = container.compute_mask(values, masks), 0
    for module, name in pairs:
        param = getattr(module, name)
        end = start + param.numel()
        custom_from_mask(module, name, mask=mask[start:end].view_as(param))
        start = end


def remove(module: M, name: str) -> M:
    """Makes what pruning has left of a parameter the parameter, for good.

    Raises:
        ValueError: it isn't pruned.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.random_unstructured(torch.nn.Linear(4, 5), "weight", 0.5)
        >>> list(prune.remove(layer, "weight").state_dict())
        ['bias', 'weight']
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(
        f"prune.remove: Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Module) -> bool:
    """Whether a parameter of a module, or of one in it, is pruned.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> prune.is_pruned(torch.nn.Linear(2, 1))
        False
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for part in module.modules()
        for hook in part._forward_pre_hooks.values()
    )
