"""The page behind a proxy that speaks HTTPS: with the examples of deploy/, where nginx and Caddy are installed."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from pages import filmed, held_port, label, make_run, until
from test_web import AUTH, room, served_app

from rlhp.run import Served, served
from rlhp.web.listen import below

DEPLOY = Path(__file__).parents[1] / "deploy"
NGINX, CADDY = (os.environ.get(f"RLHP_{name.upper()}") or shutil.which(name) for name in ("nginx", "caddy"))
PUBLIC = "https://label.example.org/study"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return filmed(make_run(tmp_path / "run", questions=4))


# what a proxy may do to a request


@pytest.mark.parametrize("path", ["/api/next", "/study/api/next"])  # the path taken off, or not
@pytest.mark.parametrize("host", ["label.example.org", "127.0.0.1:8321"])  # the host kept, or not
def test_a_proxy_may_change_host_and_path(run: Path, path: str, host: str) -> None:
    app = below(served_app(room(run, public=PUBLIC)), "/study")
    with TestClient(app, base_url="http://127.0.0.1:8321") as client:
        own = {**AUTH, "host": host, "origin": "https://label.example.org", "sec-fetch-site": "same-origin"}
        assert client.post(path, json={"annotator": "ada"}, headers=own).status_code == 200
        for foreign in ({"origin": "https://evil.example"}, {"host": "evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert client.post(path, json={"annotator": "ada"}, headers={**own, **foreign}).status_code == 403


@pytest.mark.parametrize("root", ["", "/study"])
def test_static_files_are_found_below_a_path(run: Path, root: str) -> None:
    app = below(served_app(room(run, public=PUBLIC)), "/study")
    with TestClient(app, base_url="https://label.example.org") as client:
        assert client.get(f"{root}/static/page.css").headers["content-type"].startswith("text/css")
        assert client.get(f"{root}/api/state?annotator=ada").status_code == 401
        assert client.get(f"{root}/static/page.css", headers={"host": "evil.example"}).status_code == 403


def test_what_a_proxy_says_of_others_is_not_believed(run: Path) -> None:
    with TestClient(served_app(room(run, public=PUBLIC)), base_url="http://127.0.0.1:8321") as client:
        said = {**AUTH, "host": "evil.example", "x-forwarded-host": "label.example.org", "x-forwarded-proto": "https"}
        assert client.get("/", headers=said).status_code == 403


def test_without_a_public_address_the_host_of_a_proxy_is_refused(run: Path) -> None:
    with TestClient(served_app(room(run)), base_url="http://127.0.0.1:8321") as client:
        assert client.get("/", headers={**AUTH, "host": "label.example.org"}).status_code == 403


# real ones


@contextmanager
def running(command: list[str], log: Path, **more: str) -> Iterator[None]:
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **more}) as process:
        try:
            yield
        finally:
            process.terminate()


def opened(client: httpx.Client, address: str) -> httpx.Response | None:
    """None while the proxy comes up."""
    try:
        return client.get(address)
    except httpx.ConnectError:
        return None


def labels_by_https(page: Served, trusted: ssl.SSLContext) -> None:
    """Open the link that is printed, film and style, answer, and undo, as a browser does."""
    link = urlsplit(page.address("ada"))
    base = f"https://{link.netloc}{link.path}"
    headers = {"origin": f"https://{link.netloc}", "sec-fetch-site": "same-origin"}
    with httpx.Client(base_url=base, verify=trusted, timeout=30, headers=headers) as client:
        html = until(lambda: opened(client, f"?{link.query}"))
        assert html.status_code == 200 and client.get("static/page.css").status_code == 200
        client.headers["authorization"] = f"Bearer {parse_qs(link.query)['token'][0]}"
        shown = client.post("api/next", json={"annotator": "ada", "count": 1}).raise_for_status().json()["questions"][0]
        clip = client.get(f"api/clips/{shown['clips'][0]}")
        assert clip.status_code == 200 and clip.content[4:8] == b"ftyp"
        said = {"annotator": "ada", **{key: shown[key] for key in ("query", "round", "clips")}, "value": "left", "seen": 2.0}
        assert client.post("api/answer", json=said).raise_for_status().json()["outcome"] == "kept"
        assert client.post("api/answer", json={**said, "annotator": "bob"}).status_code == 403


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed: sudo apt-get install nginx-light")
def test_the_example_for_nginx(run: Path, tmp_path: Path) -> None:
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*openssl, "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
                   cwd=tmp_path, check=True, capture_output=True)  # fmt: skip
    with held_port() as port, label(run, "--public", f"https://localhost:{port}/study") as page:
        example = (DEPLOY / "nginx.conf").read_text()
        for old, new in (
            ("listen 443", f"listen 127.0.0.1:{port}"), ("label.example.org;", "localhost;"),
            ("127.0.0.1:8321", f"127.0.0.1:{page.port}"),
            ("/etc/letsencrypt/live/label.example.org/fullchain.pem", f"{tmp_path}/cert.pem"),
            ("/etc/letsencrypt/live/label.example.org/privkey.pem", f"{tmp_path}/key.pem"),
        ):  # fmt: skip
            assert old in example
            example = example.replace(old, new)
        paths = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}} http {{ {paths} {example} }}"
        )
        with running([str(NGINX), "-p", str(tmp_path), "-c", "nginx.conf"], tmp_path / "nginx.log"):
            until(lambda: (tmp_path / "pid").exists())
            labels_by_https(page, ssl.create_default_context(cafile=str(tmp_path / "cert.pem")))


@pytest.mark.skipif(CADDY is None, reason="Caddy is not installed: sudo apt-get install caddy")
def test_the_example_for_caddy(run: Path, tmp_path: Path) -> None:
    with held_port() as port, held_port() as http, label(run, "--public", f"https://localhost:{port}") as page:
        places = {"LABEL_HOST": f"localhost:{port}", "LABEL_PAGE": f"127.0.0.1:{page.port}", "LABEL_HTTP_PORT": str(http)}
        own = {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
        command = [str(CADDY), "run", "--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"]
        with running(command, tmp_path / "caddy.log", **places, **own):
            root = tmp_path / "caddy" / "pki" / "authorities" / "local" / "root.crt"
            until(lambda: root.exists() and "serving initial configuration" in (tmp_path / "caddy.log").read_text())
            labels_by_https(page, ssl.create_default_context(cafile=str(root)))
    assert served(run) is None
