"""Requests for objects without the SDK: the whole object or an error, with the caller's rights."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.exceptions import ClientError

from infra.local.caller import Caller, ServiceClients
from infra.local.object_requests import ObjectRequests
from tests.support.local_server import ACCOUNT, REGION, Server, allow


@pytest.fixture
def bucket(server: Server) -> str:
    server.client("s3").create_bucket(Bucket="object-requests")
    return "object-requests"


def requests_with(endpoint_url: str, keys: dict[str, str]) -> ObjectRequests:
    return ObjectRequests(
        Caller(
            account_id=ACCOUNT,
            region=REGION,
            access_key_id=keys["aws_access_key_id"],
            secret_access_key=keys["aws_secret_access_key"],
            session_token=None,
            arn="",
            clients=ServiceClients(endpoint_url),
        )
    )


def test_an_object_is_read_by_whoever_may_and_only_as_long_as_it_is_the_same(server: Server, bucket: str) -> None:
    key = "a b/ü+%//it's~.csv"
    etag = server.client("s3").put_object(Bucket=bucket, Key=key, Body=b"1,2\n")["ETag"]
    resource = f"arn:aws:s3:::{bucket}"
    reader = requests_with(
        server.endpoint_url, server.user("reads-objects", [allow(["s3:GetObject"], [f"{resource}/*"])])
    )
    stranger = requests_with(
        server.endpoint_url, server.user("reads-no-objects", [allow(["s3:ListBucket"], [resource])])
    )
    out = io.BytesIO()
    reader.fetch(bucket, key, etag, out)
    reader.fetch(bucket, key, etag, out)
    assert out.getvalue() == b"1,2\n1,2\n"
    reader.check(bucket, key, etag)
    for rejected, given in ((stranger, etag), (reader, '"other"')):
        with pytest.raises(ClientError, match=r"AccessDenied|PreconditionFailed"):
            rejected.fetch(bucket, key, given, out)
        with pytest.raises(ClientError, match=r"403|412"):
            rejected.check(bucket, key, given)
    reader.check(bucket, key, etag)
    reader.close()
    stranger.close()


class CutShort(BaseHTTPRequestHandler):
    """Promises ten bytes and sends three."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"abc")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cut_short() -> Iterator[str]:
    """The endpoint of a server that sends truncated bodies."""
    with ThreadingHTTPServer(("127.0.0.1", 0), CutShort) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_truncated_body_is_an_error(cut_short: str) -> None:
    requests = requests_with(cut_short, {"aws_access_key_id": "test", "aws_secret_access_key": "test"})
    with pytest.raises(OSError, match="only 3 of 10 bytes arrived"):
        requests.fetch("bucket", "key", '"etag"', io.BytesIO())
    requests.close()
