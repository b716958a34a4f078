"""A machine's own settings do not affect the local cloud: few open files, the system's proxy."""

import http.client
import resource
import socket
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from infra.local import cloud_folder, lifecycle
from tests.support import local_server


def test_the_server_takes_more_connections_than_a_shells_limit_of_open_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The server inherits the limit from this process, which needs its own files until it has started it.
    few_files = max(int(file.name) for file in Path("/dev/fd").iterdir()) + 64
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few_files, hard))
        try:
            server = stack.enter_context(local_server.running(tmp_path))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        port = int(server.endpoint_url.rpartition(":")[2])
        for _ in range(few_files + 16):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        connection = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)))
        connection.request("GET", "/_ministack/health")
        assert connection.getresponse().status == http.client.OK


def test_the_systems_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in lifecycle.SETTINGS.items():
        monkeypatch.setenv(name, value)
    # Python reads macOS's settings only where the environment has no proxy settings.
    assert urllib.request.getproxies_environment()
    assert urllib.request.proxy_bypass(f"{cloud_folder.HOST}:4566")
