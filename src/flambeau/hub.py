"""Models and weights from elsewhere, as in `torch.hub`: folders with a hubconf.py, and downloads.

Downloads are kept in `get_dir()`, where PyTorch keeps its own, so that what one has fetched the other finds.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .interop.files import load as load_file

_BLOCK = 1 << 17
_HASH = re.compile(r"-([a-f0-9]*)\.")  # the beginning of a file's hash, in its name
_chosen: builtins.list[str] = []


def get_dir() -> str:
    """The folder of downloads: that of `set_dir`, or $TORCH_HOME/hub, or $XDG_CACHE_HOME/torch/hub, or
    ~/.cache/torch/hub.

    >>> import flambeau as torch
    >>> torch.hub.get_dir().endswith("hub")
    True
    """
    if _chosen:
        return _chosen[-1]
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Sets the folder of downloads.

    >>> import flambeau as torch
    >>> torch.hub.set_dir(torch.hub.get_dir())
    """
    _chosen[:] = [os.path.expanduser(d)]


# ----- hubconf.py -----


@contextmanager
def _at_first(folder: str) -> Iterator[None]:
    """A block in which modules are looked for in a folder first."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _hubconf(repo_or_dir: str | os.PathLike[str], source: str) -> Any:
    if source not in ("github", "local"):
        raise ValueError(f'hub: Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        raise RuntimeError(
            f"hub: code is not downloaded; clone {os.fspath(repo_or_dir)!r} yourself, look at it, and pass "
            f"its "
            f"folder with source='local'"
        )
    folder = os.path.expanduser(repo_or_dir)
    path = os.path.join(folder, "hubconf.py")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"hub: there is no hubconf.py in {folder!r}")
    with _at_first(folder):
        spec = importlib.util.spec_from_file_location("hubconf", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    missing = [name for name in getattr(module, "dependencies", ()) if not _is_there(name)]
    if missing:
        raise RuntimeError(f"hub: Missing dependencies: {', '.join(missing)}; install them first")
    return module


def _is_there(package: str) -> bool:
    return package in sys.modules or importlib.util.find_spec(package) is not None


def _entry(module: Any, name: str) -> Any:
    found = getattr(module, name, None)
    if name.startswith("_") or not callable(found):
        raise RuntimeError(
            f"hub: Cannot find callable {name} in hubconf; there are {', '.join(_entries(module))}"
        )
    return found


def _entries(module: Any) -> builtins.list[str]:
    return [name for name, x in vars(module).items() if callable(x) and not name.startswith("_")]


def list(
    github: str | os.PathLike[str],
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = None,
    verbose: bool = True,
    source: str = "github",
) -> builtins.list[str]:
    """The names of what a folder's hubconf.py offers (with `source="local"`).

    >>> import flambeau as torch
    >>> torch.hub.list("no/folder", source="local")
    Traceback (most recent call last):
    FileNotFoundError: hub: there is no hubconf.py in 'no/folder'
    """
    return _entries(_hubconf(github, source))


def help(
    github: str | os.PathLike[str],
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = None,
    source: str = "github",
) -> str | None:
    """The docstring of what a folder's hubconf.py offers (with `source="local"`).

    >>> import flambeau as torch
    >>> torch.hub.help("no/folder", "model", source="local")
    Traceback (most recent call last):
    FileNotFoundError: hub: there is no hubconf.py in 'no/folder'
    """
    doc: str | None = _entry(_hubconf(github, source), model).__doc__
    return doc


def load(
    repo_or_dir: str | os.PathLike[str],
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = None,
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What `model(*args, **kwargs)` of a folder's hubconf.py returns.

    Args:
        repo_or_dir: the folder.
        model: a function in its hubconf.py.
        args, kwargs: for that function.
        source: "local". Code is not downloaded: "github" is an error that says what to do.
        trust_repo, force_reload, verbose, skip_validation: for downloads only.

    Raises:
        ValueError: an unknown source.
        RuntimeError: `source="github"`, missing dependencies, or no such function.
        FileNotFoundError: no hubconf.py.

    Example:
        >>> import flambeau as torch
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(os.path.join(folder, "hubconf.py"), "w") as f:
        ...         _ = f.write("def answer(x): return x + 1")
        ...     torch.hub.load(folder, "answer", 41, source="local")
        42
    """
    folder = os.path.expanduser(repo_or_dir)
    found = _entry(_hubconf(repo_or_dir, source), model)
    with _at_first(folder):
        return found(*args, **kwargs)


# ----- downloads -----


def download_url_to_file(
    url: str, dst: str | os.PathLike[str], hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Downloads a file, which appears under its name when it is whole.

    Args:
        url: its address (http, https, ftp or file).
        dst: where it goes.
        hash_prefix: how its SHA-256 begins, in hexadecimal digits.
        progress: whether to show how far it is, on stderr.

    Raises:
        RuntimeError: another hash.
        OSError: it can't be fetched or written.

    Example:
        >>> import flambeau as torch
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     there, here = pathlib.Path(folder, "a"), pathlib.Path(folder, "b")
        ...     _ = there.write_text("data")
        ...     torch.hub.download_url_to_file(there.as_uri(), here, progress=False)
        ...     here.read_text()
        'data'
    """
    target = os.path.expanduser(dst)
    request = urllib.request.Request(url, headers={"User-Agent": "flambeau.hub"})
    handle, partial = tempfile.mkstemp(dir=os.path.dirname(target) or ".", suffix=".partial")
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as f, urllib.request.urlopen(request) as response:
            total = int(response.headers.get("Content-Length") or 0)
            done = 0
            while block := response.read(_BLOCK):
                f.write(block)
                digest.update(block)
                done += len(block)
                if progress:
                    _show(done, total)
        if total and done != total:
            raise OSError(f"hub: {url} ended after {done} of {total} bytes; try again")
        if hash_prefix and digest.hexdigest()[: len(hash_prefix)] != hash_prefix:
            raise RuntimeError(
                f'hub: invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}") of {url}: '
                f"this is not what was meant; find out why before using it"
            )
        shutil.move(partial, target)
    finally:
        Path(partial).unlink(missing_ok=True)
        if progress:
            sys.stderr.write("\n")


def _show(done: int, total: int) -> None:
    share = f"{done / total:4.0%} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
    sys.stderr.write(f"\r{share}")


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> dict[str, Any]:
    """Downloads weights, unless they are there already, and loads them as `torch.load` does.

    Args:
        url: the address of the file.
        model_dir: the folder to keep it in, by default `get_dir()/checkpoints`.
        map_location: see `torch.load`.
        progress: whether to show how far the download is.
        check_hash: whether the file's SHA-256 begins as its name says: `name-<digits>.ext`.
        file_name: another name for the file.
        weights_only: see `torch.load`.

    Raises:
        RuntimeError: another hash.
        OSError: it can't be fetched or written.

    Example:
        >>> import flambeau as torch
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     there = pathlib.Path(folder, "w.safetensors")
        ...     torch.save({"w": torch.ones(2)}, there)
        ...     kept = pathlib.Path(folder, "kept")
        ...     torch.hub.load_state_dict_from_url(there.as_uri(), kept, progress=False)
        {'w': tensor([1., 1.])}
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else os.fspath(model_dir)
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urllib.parse.urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        if progress:
            sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        named = _HASH.search(name) if check_hash else None
        download_url_to_file(url, path, named.group(1) if named else None, progress)
    state: dict[str, Any] = load_file(path, map_location, weights_only=weights_only)
    return state


__all__ = [
    "download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir",
]  # fmt: skip
