"""Weights come from where the registry says, whole and the right ones, or not at all."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hopkin.drivers.errors import MachineError, ModelError
from hopkin.drivers.models import weights
from hopkin.drivers.models.weights import Source, download, find, sha256_of, take

CONTENT = bytes(range(256)) * 4096


class Server(ThreadingHTTPServer):
    """Serves one file, with ranges; the first answer of a torn one breaks off half-way."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tear = False
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        start = int((self.headers["Range"] or "bytes=0-")[6:-1])
        self.server.asked.append(self.headers["Range"] or "")
        if self.path != "/weights.pth":
            self.send_error(404)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = len(CONTENT) // 2 if self.server.tear else len(CONTENT)
        self.server.tear = False
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(weights, "cache_directory", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def source(server: Server, name: str = "weights.pth") -> Source:
    return Source(url=f"http://127.0.0.1:{server.server_port}/{name}")


SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fetch(*sources: Source, sha256: str = SHA256) -> Path:
    return download("mine", sources, sha256, say=lambda _: None)


def test_download(server: Server) -> None:
    assert find("mine", [source(server)], None) is None
    path = fetch(source(server))
    assert path.read_bytes() == CONTENT
    assert find("mine", [source(server)], None) == path


def test_a_download_that_was_cut_off_goes_on(server: Server, cache: Path) -> None:
    server.tear = True
    with pytest.raises(MachineError, match=r"cannot be fetched: .*connection was lost.*--from"):
        fetch(source(server))
    assert find("mine", [source(server)], None) is None
    assert fetch(source(server)).read_bytes() == CONTENT
    assert server.asked == ["", f"bytes={len(CONTENT) // 2}-"]


def test_another_file_is_not_kept(server: Server, cache: Path) -> None:
    with pytest.raises(MachineError, match=r"another file, its SHA-256 is "):
        fetch(source(server), sha256="0" * 64)
    assert [file for file in cache.rglob("*") if file.is_file()] == []


def test_the_next_source_is_tried(server: Server) -> None:
    nowhere = Source(url="http://127.0.0.1:9/weights.pth")
    assert fetch(nowhere, source(server, "gone.pth"), source(server)).read_bytes() == CONTENT


def test_no_network() -> None:
    with pytest.raises(MachineError, match=r"cannot be fetched: http://127.0.0.1:9/x: .*refused.*--from"):
        fetch(Source(url="http://127.0.0.1:9/x"))


def test_a_file_of_the_users_own(server: Server, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pth"
    mine.write_bytes(CONTENT)
    path = take("mine", [source(server)], SHA256, mine)
    assert find("mine", [source(server)], None) == path
    assert mine.is_file()
    mine.write_bytes(CONTENT[:-1024])
    sha256_of.cache_clear()
    with pytest.raises(ModelError, match=r"is another file: its SHA-256 is .*the registry says"):
        take("mine", [source(server)], SHA256, mine)
    with pytest.raises(ModelError, match=r"no such file"):
        take("mine", [source(server)], SHA256, tmp_path / "nothing")


def test_hash_of_a_folder_is_that_of_its_names_and_contents(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder, (one, two) in zip(folders, [(b"1", b"2"), (b"1", b"2"), (b"2", b"1")], strict=True):
        folder.mkdir()
        (folder / "one").write_bytes(one)
        (folder / "two").write_bytes(two)
    assert sha256_of(folders[0]) == sha256_of(folders[1]) != sha256_of(folders[2])
    said = hashlib.sha256(
        b"".join(
            f"{hashlib.sha256(c).hexdigest()}  {n}\n".encode() for n, c in (("one", b"1"), ("two", b"2"))
        )
    )
    assert sha256_of(folders[0]) == said.hexdigest()
