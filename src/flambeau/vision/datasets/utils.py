"""Downloads, checksums and archives of datasets."""

from __future__ import annotations

import os
import posixpath
import re
import urllib.parse

from .archives import extract_archive
from .checks import Path, calculate_md5, check_integrity, check_md5, verify_str_arg
from .fetching import fetch

__all__ = [
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_file_from_google_drive",
    "download_url",
    "extract_archive",
    "list_dir",
    "list_files",
    "verify_str_arg",
]


def _name_of(url: str) -> str:
    """The last part of an address's path."""
    return posixpath.basename(urllib.parse.unquote(urllib.parse.urlsplit(url).path))


def download_url(
    url: str,
    root: Path,
    filename: Path | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """Downloads a file into a folder, unless it is there already.

    A transfer that breaks off goes on where it stopped, passing errors are tried again, and the file appears
    under its name when it is whole and its checksum is right.

    Args:
        url: its address (http, https, ftp or file).
        root: the folder, which is made if need be.
        filename: its name there, by default that in the address.
        md5: its MD5 checksum, in hexadecimal digits.
        max_redirect_hops: accepted, as in torchvision; redirections are followed as Python does.

    Raises:
        RuntimeError: another checksum, or an address at Google Drive.
        URLError: it can't be fetched.

    >>> import pathlib, tempfile
    >>> from flambeau.vision.datasets.utils import download_url
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     there = pathlib.Path(folder, "a.txt")
    ...     _ = there.write_text("data")
    ...     download_url(there.as_uri(), folder, "b.txt")
    ...     pathlib.Path(folder, "b.txt").read_text()
    'data'
    """
    folder = os.path.expanduser(root)
    name = os.fspath(filename) if filename else _name_of(url)
    path = os.path.join(folder, name)
    if check_integrity(path, md5):
        return
    if re.match(r"(drive|docs)[.]google[.]com$", urllib.parse.urlsplit(url).netloc):
        download_file_from_google_drive(url, root, filename, md5)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    fetch([url], path, md5)


def download_file_from_google_drive(
    file_id: str, root: Path, filename: Path | None = None, md5: str | None = None
) -> None:
    """Not done: Google Drive gives no files to programs without a dialogue. RuntimeError says what to do.

    >>> from flambeau.vision.datasets.utils import download_file_from_google_drive
    >>> download_file_from_google_drive("1234", "data")
    Traceback (most recent call last):
    RuntimeError: download: files at Google Drive (1234) are not fetched; download it yourself into data
    """
    raise RuntimeError(
        f"download: files at Google Drive ({file_id}) are not fetched; download it yourself into {root}"
    )


def download_and_extract_archive(
    url: str,
    download_root: Path,
    extract_root: Path | None = None,
    filename: Path | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """`download_url`, then `extract_archive`.

    >>> import pathlib, shutil, tempfile
    >>> from flambeau.vision.datasets.utils import download_and_extract_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     inside = pathlib.Path(folder, "a", "b.txt")
    ...     inside.parent.mkdir()
    ...     _ = inside.write_text("data")
    ...     archive = pathlib.Path(shutil.make_archive(folder + "/a", "zip", inside.parent))
    ...     download_and_extract_archive(archive.as_uri(), folder + "/data")
    ...     pathlib.Path(folder, "data", "b.txt").read_text()
    'data'
    """
    folder = os.path.expanduser(download_root)
    name = os.fspath(filename) if filename else _name_of(url)
    download_url(url, folder, name, md5)
    extract_archive(
        os.path.join(folder, name), folder if extract_root is None else extract_root, remove_finished
    )


def list_dir(root: Path, prefix: bool = False) -> list[str]:
    """The folders in a folder, by name, or with `prefix` by path.

    >>> import tempfile
    >>> from flambeau.vision.datasets.utils import list_dir
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     list_dir(folder)
    []
    """
    folder = os.path.expanduser(root)
    names = [name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name))]
    return [os.path.join(folder, name) for name in names] if prefix else names


def list_files(root: Path, suffix: str, prefix: bool = False) -> list[str]:
    """The files in a folder whose names end so, by name, or with `prefix` by path.

    >>> import tempfile
    >>> from flambeau.vision.datasets.utils import list_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     list_files(folder, ".png")
    []
    """
    folder = os.path.expanduser(root)
    names = [n for n in os.listdir(folder) if n.endswith(suffix) and os.path.isfile(os.path.join(folder, n))]
    return [os.path.join(folder, name) for name in names] if prefix else names
