"""Store the tags and the checksum of a browser's POST.

- The form's field `tagging` is an XML document, and needs s3:PutObjectTagging; `x-amz-checksum-…` is the checksum of
  the file, and must match (AWS: "POST Object", S3 API reference: form fields). MiniStack reads neither.
- Without one, the object gets CRC64NVME, as from PutObject (recorded from AWS, February 2026; checksums.py).
"""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import ParseError

from ministack import app
from ministack.core import iam_evaluator
from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import checksums, versions
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Response

_FILE = "file"


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(app, "AUTH")
    require_attributes(iam_evaluator, "enforce")
    require_attributes(s3, "_parse_multipart_form", "_post_form_access_key_id", "_parse_tags_xml", "_object_tags")
    wrap(s3, "_post_object", _complete_post)


def _complete_post(post_object: Callable[..., Response]) -> Any:
    def patched(bucket: str, body: bytes, headers: Headers) -> Response:
        form = s3._parse_multipart_form(headers.get("content-type", ""), body)
        fields = {name.lower(): value for name, _, _, value in form if name != _FILE}
        file_name, content = next(((name or "", value) for field, name, _, value in form if field == _FILE), ("", b""))
        key = fields.get("key", b"").decode(errors="replace").replace("${filename}", file_name)
        sent = {
            name.upper(): fields[f"x-amz-checksum-{name}"].decode(errors="replace")
            for name in s3._S3_CHECKSUM_HEADERS
            if f"x-amz-checksum-{name}" in fields
        }
        rejection = _reject_checksums(sent, content)
        tags: dict[str, str] = {}
        if not rejection and "tagging" in fields:
            try:
                tags = s3._parse_tags_xml(fields["tagging"])
            except ParseError:
                return error_response("MalformedXML", s3._MALFORMED_XML, 400)
            rejection = _reject_tagging(bucket, key, s3._post_form_access_key_id(form))
        if rejection:
            return rejection
        response = post_object(bucket, body, headers)
        if response[0] < 400:
            _complete_record(bucket, key, sent, tags)
        return response

    return patched


def _reject_checksums(sent: dict[str, str], content: bytes) -> Response | None:
    for algorithm, value in sent.items():
        if checksums.compute(algorithm, content) != value:
            what = f"The {algorithm} you specified did not match the calculated checksum."
            return error_response("BadDigest", what, 400)
    return None


def _reject_tagging(bucket: str, key: str, access_key: str) -> Response | None:
    if not (app.AUTH and access_key):
        return None
    resource = f"arn:aws:s3:::{bucket}/{key}"
    region = s3.bucket_region(bucket) or ""
    denied = iam_evaluator.enforce(access_key, "s3:PutObjectTagging", "s3", region, resource_arn=resource)
    return error_response("AccessDenied", "Access Denied", 403) if denied else None


def _complete_record(bucket: str, key: str, sent: dict[str, str], tags: dict[str, str]) -> None:
    for record in versions.just_written(bucket, key):
        if sent:
            record.update(checksums=sent, checksum_type=checksums.FULL_OBJECT)
    if tags:
        version_id = s3._buckets[bucket]["objects"][key].get("version_id")
        s3._object_tags[(bucket, key, version_id)] = tags
