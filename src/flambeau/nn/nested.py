"""The tree of modules: finding parts by path, and walking over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..core.tensor import Tensor
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module


class Nested:
    """The part of `Module` that looks at its descendants."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    # ----- Looking up by path -----
    def get_submodule(self, target: str) -> Module:
        """The submodule with the path `target`, such as "layers.0.norm"; "" is the module itself.

        Raises:
            AttributeError: there is nothing at the path, or something that is not a Module.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Sequential(torch.nn.Sequential(torch.nn.Identity())).get_submodule("0.0")
            Identity()
        """
        module: Module = self  # type: ignore[assignment]
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(
                    f"{module._get_name()} has no attribute `{name}`, looked for as part of '{target}'"
                )
            module = getattr(module, name)
            if not isinstance(module, Nested):
                raise AttributeError(f"`{name}` is not an nn.Module, looked for as part of '{target}'")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts `module` at the path `target`.

        Args:
            target: the path, such as "layers.0.norm"; all but its last part must exist.
            module: the new submodule.
            strict: whether there must be a module at the path already.

        Raises:
            ValueError: the path is empty, or `module` is not a Module.
            AttributeError: the path does not exist, or what stands there is not a Module.

        Example:
            >>> import flambeau as torch
            >>> net = torch.nn.Sequential(torch.nn.Identity())
            >>> net.set_submodule("0", torch.nn.Linear(2, 1))
            >>> net
            Sequential(
              (0): Linear(in_features=2, out_features=1, bias=True)
            )
        """
        if target == "":
            raise ValueError("set_submodule: cannot set the submodule without a target name")
        if not isinstance(module, Nested):
            raise ValueError(f"set_submodule: `module` is not an nn.Module, got {type(module).__name__}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict or hasattr(parent, name):
            parent.get_submodule(name)
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with the path `target`, such as "layers.0.weight".

        Raises:
            AttributeError: there is nothing at the path, or something that is not a Parameter.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Sequential(torch.nn.Linear(2, 1)).get_parameter("0.weight").shape
            torch.Size([1, 2])
        """
        module, name = self._holder(target)
        param = getattr(module, name)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter, it is a {type(param).__name__}")
        return param

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with the path `target`, such as "layers.0.running_mean".

        Raises:
            AttributeError: there is nothing at the path, or something that is not a buffer.

        Example:
            >>> import flambeau as torch
            >>> net = torch.nn.Sequential(torch.nn.Identity())
            >>> net[0].register_buffer("steps", torch.zeros(1))
            >>> net.get_buffer("0.steps")
            tensor([0.])
        """
        module, name = self._holder(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer of {module._get_name()}")
        return module._buffers[name]  # type: ignore[return-value]

    def _holder(self, target: str) -> tuple[Module, str]:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name

    # ----- Walking -----
    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all its descendants with their paths, parents first.

        Args:
            memo: modules to leave out; those that are found are added.
            prefix: put before the paths.
            remove_duplicate: whether a module that occurs more than once is given once.

        Example:
            >>> import flambeau as torch
            >>> [name for name, _ in torch.nn.Sequential(torch.nn.Identity()).named_modules()]
            ['', '0']
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)  # type: ignore[arg-type]
        yield prefix, self  # type: ignore[misc]
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(
                    memo, f"{prefix}.{name}" if prefix else name, remove_duplicate
                )

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all its descendants, parents first; each once unless `remove_duplicate` is False.

        Example:
            >>> import flambeau as torch
            >>> len(list(torch.nn.Sequential(torch.nn.Identity(), torch.nn.Identity()).modules()))
            3
        """
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The child modules with their names; one that occurs more than once, once.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.Sequential(torch.nn.Identity()).named_children())
            [('0', Identity())]
        """
        memo: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in memo:
                memo.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The child modules; one that occurs more than once, once.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.Sequential(torch.nn.Identity()).children())
            [Identity()]
        """
        for _, module in self.named_children():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters of this module and its descendants with their paths.

        Args:
            prefix: put before the paths.
            recurse: whether to go into descendants.
            remove_duplicate: whether a parameter that occurs more than once is given once.

        Example:
            >>> import flambeau as torch
            >>> [name for name, _ in torch.nn.Sequential(torch.nn.Linear(2, 1)).named_parameters()]
            ['0.weight', '0.bias']
        """
        return self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, if `recurse`, its descendants; each once.

        Example:
            >>> import flambeau as torch
            >>> sum(p.numel() for p in torch.nn.Linear(2, 3).parameters())
            9
        """
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers of this module and its descendants with their paths.

        The arguments are those of `named_parameters`.

        Example:
            >>> import flambeau as torch
            >>> m = torch.nn.Module()
            >>> m.register_buffer("steps", torch.zeros(1))
            >>> list(m.named_buffers())
            [('steps', tensor([0.]))]
        """
        return self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, if `recurse`, its descendants; each once.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.Linear(2, 1).buffers())
            []
        """
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named_members(
        self,
        get_members_fn: Callable[[Module], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        memo = set()
        modules: Any = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is not None and member not in memo:
                    if remove_duplicate:
                        memo.add(member)
                    yield (f"{path}.{name}" if path else name), member
