"""Files from the network, which appear under their names when they are whole and checked."""

from __future__ import annotations

import contextlib
import http.client
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from .checks import check_integrity

__all__ = ["TRIES", "fetch"]

TRIES = 4  # for each address
PAUSE = 0.5  # seconds before the second try; twice as long before each further one
_BLOCK = 1 << 17
_TIMEOUT = 60
_SCHEMES = ("http", "https", "ftp", "file")
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # what a server says that may answer later


class _Cut(OSError):
    """A transfer that ended early."""


def fetch(urls: Sequence[str], path: str, md5: str | None = None) -> None:
    """Has the file `path` by the first of several addresses that gives it, whole and with the right checksum.

    What breaks off is taken up again where it stopped; passing errors are tried again.

    Raises:
        RuntimeError: a file came, and its checksum is another one.
        OSError (URLError): no address gave the file.
    """
    failure: Exception | None = None
    for url in urls:
        if urllib.parse.urlsplit(url).scheme not in _SCHEMES:
            raise ValueError(f"download: the address {url!r} is none of {', '.join(_SCHEMES)}")
        try:
            _fetch_one(url, path, md5)
            return
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failure = error
    assert failure is not None
    if isinstance(failure, RuntimeError | urllib.error.URLError):
        raise failure
    raise urllib.error.URLError(f"download: {urls[-1]} could not be fetched: {failure}") from failure


def _fetch_one(url: str, path: str, md5: str | None) -> None:
    part = f"{path}.part"
    if md5 is None:
        _remove(part)  # nothing would tell whether an old part belongs to this file
    tag: list[str] = []
    for attempt in range(TRIES):
        time.sleep(PAUSE * 2 ** (attempt - 1) if attempt else 0)
        try:
            resumed = _transfer(url, part, tag, md5 is not None)
        except (OSError, http.client.HTTPException) as error:
            if attempt == TRIES - 1 or not _passing(error):
                raise
            continue
        if check_integrity(part, md5):
            os.replace(part, path)
            return
        _remove(part)
        if not resumed:  # else the two ends may not have belonged together
            break
    raise RuntimeError(
        f"download: File not found or corrupted: what {url} gave does not have the MD5 checksum {md5}; find "
        "out why before using it"
    )


def _passing(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code in _PASSING or error.code == 416
    if isinstance(error, urllib.error.URLError):
        return isinstance(error.reason, ConnectionError | TimeoutError)
    return isinstance(error, http.client.HTTPException | ConnectionError | TimeoutError | _Cut)


def _transfer(url: str, part: str, tag: list[str], checked: bool) -> bool:
    """Brings the file, or the rest of it, into `part`; whether it was a rest.

    A rest is asked for if a checksum will tell, or the server can say that the file is the same (`tag`).
    """
    start = os.path.getsize(part) if os.path.exists(part) and (checked or tag) else 0
    headers = {"User-Agent": "flambeau.vision"}
    if start:
        headers["Range"] = f"bytes={start}-"
        headers.update({"If-Range": tag[0]} if tag else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # no such range: what is here is no beginning of it
            _remove(part)
        raise
    with response:
        resumed = bool(start) and getattr(response, "status", None) == 206
        tag[:] = _validator(response)
        _copy(response, part, start if resumed else 0, url)
    return resumed


def _validator(response: Any) -> list[str]:
    """What names this version of the file for sure, if the server says."""
    etag = response.headers.get("ETag")
    return [etag] if etag and not etag.startswith("W/") else []


def _copy(response: Any, part: str, start: int, url: str) -> None:
    length = response.headers.get("Content-Length")
    done = 0
    with open(part, "ab" if start else "wb") as file:
        file.truncate(start)
        while block := response.read(_BLOCK):
            file.write(block)
            done += len(block)
    if length is not None and done != int(length):
        raise _Cut(f"{url} ended after {done} of {length} bytes")


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
