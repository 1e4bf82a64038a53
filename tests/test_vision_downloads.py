"""Downloads from a server that fails in every way, and archives that try to get out of their folder."""

import gzip
import hashlib
import io
import tarfile
import threading
import urllib.error
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flambeau.vision.datasets import fetching, utils

CONTENT = bytes(range(256)) * 2000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT; the path says which faults come first."""

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        seen = sum(path == self.path for path, _ in server.requests)
        fault, _, times = self.path.strip("/").partition("-")
        faulty = seen <= int(times or 0)
        if fault == "busy" and faulty:
            self.send_error(503)
            return
        if fault == "gone":
            self.send_error(404)
            return
        content = b"wrong" * 100 if fault == "wrong" and faulty else CONTENT
        start = 0
        asked = self.headers.get("Range")
        if asked and fault != "norange":
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if fault == "tagged":
            self.send_header("ETag", '"one"')
        self.end_headers()
        body = content[start:]
        if faulty and fault in ("cut", "norange", "tagged"):
            body = body[: len(body) // 2]  # and the connection is closed
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "PAUSE", 0.01)
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.requests = []
    running.url = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def test_a_file_is_fetched_once(server, tmp_path):
    for _ in range(2):
        utils.download_url(f"{server.url}/plain", tmp_path, "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_the_name_is_that_of_the_address(server, tmp_path):
    utils.download_url(f"{server.url}/plain?size=1", str(tmp_path))
    assert (tmp_path / "plain").read_bytes() == CONTENT


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(server, tmp_path):
    utils.download_url(f"{server.url}/cut-2", tmp_path, "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert [asked for _, asked in server.requests] == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_without_a_checksum_a_rest_is_asked_for_only_of_a_named_version(server, tmp_path):
    utils.download_url(f"{server.url}/cut-1", tmp_path, "a.bin")
    utils.download_url(f"{server.url}/tagged-1", tmp_path, "b.bin")
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, None, None, f"bytes={len(CONTENT) // 2}-"]


def test_a_server_that_knows_no_ranges_starts_again(server, tmp_path):
    utils.download_url(f"{server.url}/norange-1", tmp_path, "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_an_old_part_that_does_not_belong_is_dropped(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"something else")
    utils.download_url(f"{server.url}/plain", tmp_path, "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    (tmp_path / "b.bin.part").write_bytes(CONTENT + b"too long")
    utils.download_url(f"{server.url}/plain", tmp_path, "b.bin", MD5)
    assert (tmp_path / "b.bin").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server, tmp_path):
    utils.download_url(f"{server.url}/busy-2", tmp_path, "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_errors_leave_no_file(server, tmp_path):
    with pytest.raises(RuntimeError, match=r"corrupted.*MD5"):
        utils.download_url(f"{server.url}/wrong-9", tmp_path, "a.bin", MD5)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        utils.download_url(f"{server.url}/gone", tmp_path, "a.bin", MD5)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        utils.download_url(f"{server.url}/busy-99", tmp_path, "a.bin", MD5)
    with pytest.raises(ValueError, match="none of http"):
        utils.download_url("data:text/plain,hello", tmp_path, "a.bin")
    with pytest.raises(RuntimeError, match="Google Drive"):
        utils.download_url("https://drive.google.com/file/d/1234/view", tmp_path, "a.bin")
    assert not list(tmp_path.iterdir())
    assert len([path for path, _ in server.requests if path == "/gone"]) == 1


def test_the_next_mirror_is_asked(server, tmp_path):
    path = tmp_path / "a.bin"
    fetching.fetch([f"{server.url}/gone", f"{server.url}/wrong-9", f"{server.url}/plain"], str(path), MD5)
    assert path.read_bytes() == CONTENT


def test_nobody_listens(tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(urllib.error.URLError):
        utils.download_url(f"{server.url}/plain", tmp_path, "a.bin")


# ----- Archives -----


def _tar(path, entries, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)


SUFFIXES = [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.xz", "w:xz")]


@pytest.mark.parametrize("suffix, mode", SUFFIXES)
def test_tar(tmp_path, suffix, mode):
    path = tmp_path / f"a.{suffix}"
    _tar(path, [("folder", (tarfile.DIRTYPE, "")), ("folder/a.txt", b"one"), ("b.txt", b"two")], mode)
    assert utils.extract_archive(str(path), str(tmp_path / "out"), True) == str(tmp_path / "out")
    assert (tmp_path / "out/folder/a.txt").read_bytes() == b"one"
    assert (tmp_path / "out/b.txt").read_bytes() == b"two"
    assert not path.exists()


def test_zip_and_compressed_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("folder/a.txt", "one")
    utils.extract_archive(tmp_path / "a.zip")
    assert (tmp_path / "folder/a.txt").read_text() == "one"
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"two"))
    assert utils.extract_archive(tmp_path / "b.txt.gz") == tmp_path / "b.txt"
    assert (tmp_path / "b.txt").read_bytes() == b"two"


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt"])
def test_entries_that_lead_out_are_refused(tmp_path, name):
    inside = tmp_path / "inside"
    inside.mkdir()
    _tar(inside / "a.tar.gz", [(name, b"evil")])
    with zipfile.ZipFile(inside / "b.zip", "w") as archive:
        archive.writestr(name, "evil")
    for archive in ("a.tar.gz", "b.zip"):
        with pytest.raises(RuntimeError, match="leads out of the folder"):
            utils.extract_archive(inside / archive, inside / "out")
    assert not list(tmp_path.rglob("evil.txt"))


def test_links_and_devices_are_refused(tmp_path):
    _tar(tmp_path / "a.tar.gz", [("link", (tarfile.SYMTYPE, "..")), ("link/evil.txt", b"evil")])
    _tar(tmp_path / "b.tar.gz", [("link", (tarfile.LNKTYPE, "/etc/passwd"))])
    _tar(tmp_path / "c.tar.gz", [("device", (tarfile.CHRTYPE, ""))])
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
    for name in ("a.tar.gz", "b.tar.gz", "c.tar.gz", "d.zip"):
        with pytest.raises(RuntimeError, match="is a link"):
            utils.extract_archive(tmp_path / name, tmp_path / "out")


def test_a_link_that_was_there_leads_nowhere(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "outside")
    _tar(tmp_path / "a.tar.gz", [("link/evil.txt", b"evil")])
    with pytest.raises(RuntimeError, match="leads out"):
        utils.extract_archive(tmp_path / "a.tar.gz", tmp_path / "out")


def test_damaged_and_unknown_archives(tmp_path):
    _tar(tmp_path / "a.tar.gz", [("a.txt", bytes(range(256)) * 1000)])
    whole = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b.zip").write_bytes(b"PK no archive")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"text" * 100)[:20])
    for name in ("a.tar.gz", "b.zip", "c.txt.gz"):
        with pytest.raises(RuntimeError, match="is damaged"):
            utils.extract_archive(tmp_path / name, tmp_path)
    assert not (tmp_path / "a.txt").exists() and not (tmp_path / "c.txt").exists()
    with pytest.raises(RuntimeError, match="Unknown compression or archive type"):
        utils.extract_archive(tmp_path / "d.rar")
    with pytest.raises(RuntimeError, match="no suffixes"):
        utils.extract_archive(tmp_path / "archive")


def test_download_and_extract(server, tmp_path):
    packed = tmp_path / "packed.tar.gz"
    _tar(packed, [("a.txt", b"one")])
    utils.download_and_extract_archive(packed.as_uri(), tmp_path / "down", tmp_path / "out", None, None, True)
    assert (tmp_path / "out/a.txt").read_bytes() == b"one"
    assert not list((tmp_path / "down").iterdir())


def test_names_in_folders(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.png").touch()
    assert utils.list_dir(tmp_path) == ["folder"]
    assert utils.list_files(tmp_path, ".png", prefix=True) == [str(tmp_path / "a.png")]
    with pytest.raises(ValueError, match="Unknown value 'valid' for argument split"):
        utils.verify_str_arg("valid", "split", ["train"])
    with pytest.raises(ValueError, match="Expected type str for argument split"):
        utils.verify_str_arg(3, "split")
