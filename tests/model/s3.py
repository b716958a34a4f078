"""A small model of S3 in memory: what AWS's documentation says of the calls that copy, verification and move make.

It answers a client's operation with S3's answer, as boto3 would hand it on, or raises `S3Error`. It is small
enough to be cloned at every step, so that a checker can try every order of calls. Buckets are versioned, suspended
or neither; writes are conditional; LastModified is in whole seconds; a multipart object dates from its beginning.
Not in it: permissions, encryption, Object Lock, archives. test_model_against_cloud.py holds it against
another S3.

Sources: the operations' pages in the Amazon S3 API reference; "How S3 Versioning works", "Deleting object versions
from a versioning-enabled bucket", "Adding objects to versioning-suspended buckets", "How to prevent object
overwrites with conditional writes", "How to perform conditional deletes", "Checking object integrity" (User Guide).
What is marked as recorded is in none of them: AWS's own answers, recorded in February 2026.
"""

import base64
import copy
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import parse_qsl

from awscrt import checksums
from botocore.response import StreamingBody

Values = dict[str, Any]
Versioning = Literal["Enabled", "Suspended", "Never"]

EPOCH = 1_790_000_000
SMALLEST_PART = 5 * 1024**2
LARGEST_COPY = 5 * 1024**3
HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "WebsiteRedirectLocation",
)
PAGE = 1000

CHANGES = {"StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption"}
"""What a copy of an object onto itself may change, besides its metadata."""


class S3Error(Exception):
    """An error answer of S3."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


def _crc(function: Callable[..., int], size: int) -> Callable[[bytes], bytes]:
    return lambda body: function(body).to_bytes(size, "big")


ALGORITHMS: dict[str, Callable[[bytes], bytes]] = {
    "CRC32": _crc(checksums.crc32, 4),
    "CRC32C": _crc(checksums.crc32c, 4),
    "CRC64NVME": _crc(checksums.crc64nvme, 8),
    "SHA1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
}


@lru_cache(maxsize=256)
def checksum(algorithm: str, body: bytes) -> str:
    """A checksum as S3 writes it."""
    return base64.b64encode(ALGORITHMS[algorithm](body)).decode()


@lru_cache(maxsize=256)
def md5(body: bytes) -> str:
    """The ETag of an object of one part."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@lru_cache(maxsize=256)
def kept(body: bytes) -> bytes:
    """These bytes, once: so that comparing them with themselves takes no time."""
    return body


Carried = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Checksum:
    """A stored checksum."""

    algorithm: str
    value: str
    type: str = "FULL_OBJECT"

    def members(self, with_type: bool = True) -> Values:
        """As an answer tells it."""
        members = {f"Checksum{self.algorithm}": self.value}
        return members | {"ChecksumType": self.type} if with_type else members


@dataclass(frozen=True)
class Part:
    """A part of an upload, or of an object that was uploaded in parts."""

    body: bytes
    etag: str
    checksum: Checksum


@dataclass(frozen=True)
class Version:
    """One version of an object; without a body it is a delete marker."""

    version_id: str
    body: bytes | None
    etag: str
    last_modified: int
    carried: Carried = ()
    tags: tuple[tuple[str, str], ...] = ()
    checksum: Checksum | None = None
    storage_class: str = "STANDARD"
    parts: tuple[Part, ...] = ()

    def part_checksum(self, number: int) -> Checksum | None:
        """What HEAD tells of a part. Recorded: nothing of one part of several, where the checksum is of the whole."""
        if self.checksum is None or (self.checksum.type == "FULL_OBJECT" and len(self.parts) > 1):
            return None
        return replace(self.parts[number - 1].checksum, type=self.checksum.type)


@dataclass(frozen=True)
class Upload:
    """A multipart upload that was begun and not ended."""

    bucket: str
    key: str
    began: int
    carried: Carried
    tags: tuple[tuple[str, str], ...]
    algorithm: str
    checksum_type: str
    storage_class: str
    algorithm_requested: bool
    parts: tuple[tuple[int, Part], ...] = ()
    conflicted: bool = False
    """Whether its key was written or deleted since it began."""

    def members(self) -> Values:
        """Its algorithm, as answers tell it. Recorded: nothing where none was asked for."""
        if not self.algorithm_requested:
            return {}
        return {"ChecksumAlgorithm": self.algorithm, "ChecksumType": self.checksum_type}

    def part_members(self, part: Part) -> Values:
        """A part's checksum; none where no algorithm was asked for."""
        return part.checksum.members(with_type=False) if self.algorithm_requested else {}


@dataclass
class Bucket:
    """A bucket: each key's versions, the current one last."""

    versioning: Versioning
    versions: dict[str, tuple[Version, ...]] = field(default_factory=dict)
    made: int = 0


@dataclass
class S3:
    """All buckets of all regions."""

    buckets: dict[str, Bucket]
    seconds_per_call: int = 0
    now: int = EPOCH
    uploads: dict[str, Upload] = field(default_factory=dict)
    uploads_made: int = 0

    def clone(self) -> "S3":
        """One that goes its own way."""
        twin = copy.copy(self)
        twin.buckets = {name: replace(bucket, versions=dict(bucket.versions)) for name, bucket in self.buckets.items()}
        twin.uploads = dict(self.uploads)
        return twin

    def state(self) -> object:
        """Its observable state: two buckets of the same state answer alike from then on."""
        objects = tuple(
            (name, bucket.made, tuple(sorted(bucket.versions.items()))) for name, bucket in sorted(self.buckets.items())
        )
        return objects, tuple(sorted(self.uploads.items())), self.now, self.uploads_made

    def call(self, operation: str, given: Mapping[str, Any]) -> Values:
        """Answer an operation; raises S3Error, and AttributeError for one that the model does not know."""
        answer: Values = getattr(self, f"_{operation}")(given)
        answer["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {"date": self._date()}}
        self.now += self.seconds_per_call
        return answer

    def _date(self) -> str:
        return format_datetime(datetime.fromtimestamp(self.now, UTC), usegmt=True)

    # Reading.

    def current(self, bucket: str, key: str) -> Version | None:
        """The current object; None when there is none, or a delete marker."""
        versions = self.buckets[bucket].versions.get(key, ())
        return versions[-1] if versions and versions[-1].body is not None else None

    def _bucket(self, given: Mapping[str, Any]) -> Bucket:
        if given["Bucket"] not in self.buckets:
            raise S3Error(404, "NoSuchBucket")
        return self.buckets[given["Bucket"]]

    def _found(self, given: Mapping[str, Any]) -> Version:
        """The version that is asked for; the current one, where none is."""
        versions = self._bucket(given).versions.get(given["Key"], ())
        if wanted := given.get("VersionId"):
            found = next((candidate for candidate in versions if candidate.version_id == wanted), None)
            if found is None:
                raise S3Error(404, "NoSuchVersion")
            if found.body is None:
                raise S3Error(405, "MethodNotAllowed")
            return found
        if not versions or versions[-1].body is None:
            raise S3Error(404, "NoSuchKey")
        return versions[-1]

    def _members(self, given: Mapping[str, Any], version: Version) -> Values:
        members: Values = {
            "ETag": f'"{version.etag}"',
            "LastModified": datetime.fromtimestamp(version.last_modified, UTC),
            "AcceptRanges": "bytes",
            "ServerSideEncryption": "AES256",
            "Metadata": {},
            **dict(version.carried),
            **self._version_id(given["Bucket"], version),
        }
        members["Metadata"] = dict(members["Metadata"])
        if version.tags:
            members["TagCount"] = len(version.tags)
        if version.storage_class != "STANDARD":
            members["StorageClass"] = version.storage_class
        return members

    def _version_id(self, bucket: str, version: Version) -> Values:
        return {} if self.buckets[bucket].versioning == "Never" else {"VersionId": version.version_id}

    def _written_id(self, bucket: str, version: Version) -> Values:
        """What a write answers: recorded, none where versioning is suspended, although the version is `null`."""
        return {"VersionId": version.version_id} if self.buckets[bucket].versioning == "Enabled" else {}

    def _HeadObject(self, given: Mapping[str, Any]) -> Values:  # noqa: N802 - the operation's name
        try:
            return self._read(given)[0]
        except S3Error as error:
            # An answer to HEAD has no body: the code is the status.
            raise S3Error(error.status, str(error.status)) from None

    def _GetObject(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        members, body = self._read(given)
        members["Body"] = StreamingBody(io.BytesIO(body), len(body))
        return members

    def _read(self, given: Mapping[str, Any]) -> tuple[Values, bytes]:
        version = self._found(given)
        if "IfMatch" in given and given["IfMatch"].strip('"') != version.etag:
            raise S3Error(412, "PreconditionFailed")
        members, body = self._members(given, version), version.body or b""
        stored = version.checksum
        if number := given.get("PartNumber"):
            if number > max(1, len(version.parts)):
                raise S3Error(416, "InvalidPartNumber")
            whole, first = len(body), 0
            if version.parts:
                members["PartsCount"] = len(version.parts)
                first = sum(len(part.body) for part in version.parts[: number - 1])
                body, stored = version.parts[number - 1].body, version.part_checksum(number)
            if body:
                members["ContentRange"] = f"bytes {first}-{first + len(body) - 1}/{whole}"
        elif wanted := given.get("Range"):
            first, last = _range(wanted, len(body))
            members["ContentRange"] = f"bytes {first}-{last}/{len(body)}"
            body, stored = body[first : last + 1], None
        if given.get("ChecksumMode") == "ENABLED" and stored:
            members |= stored.members()
        return members | {"ContentLength": len(body)}, body

    def _HeadBucket(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        self._bucket(given)
        return {}

    def _GetObjectTagging(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        version = self._found(given)
        members = {"TagSet": [{"Key": key, "Value": value} for key, value in version.tags]}
        return members | self._version_id(given["Bucket"], version)

    def _PutObjectTagging(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        current = self._bucket(given).versions.get(given["Key"], ())[-1:]
        if "VersionId" not in given and current and current[0].body is None:
            raise S3Error(405, "MethodNotAllowed")
        version = self._found(given)
        tags = tuple(sorted((tag["Key"], tag["Value"]) for tag in given["Tagging"]["TagSet"]))
        versions = self._bucket(given).versions
        changed = [
            replace(candidate, tags=tags) if candidate is version else candidate for candidate in versions[given["Key"]]
        ]
        versions[given["Key"]] = tuple(changed)
        return self._version_id(given["Bucket"], version)

    def _GetObjectAttributes(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        version = self._found(given)
        members: Values = {"ETag": version.etag, "ObjectSize": len(version.body or b"")}
        stored = version.checksum
        if stored:
            # Composite values without the number of parts.
            members["Checksum"] = {
                f"Checksum{stored.algorithm}": stored.value.split("-")[0],
                "ChecksumType": stored.type,
            }
        if version.parts and stored and stored.type == "FULL_OBJECT":
            # Recorded: only their number.
            members["ObjectParts"] = {"TotalPartsCount": len(version.parts)}
        elif version.parts:
            first, most = int(given.get("PartNumberMarker") or 0), int(given.get("MaxParts") or PAGE)
            page = list(enumerate(version.parts, start=1))[first : first + most]
            members["ObjectParts"] = {
                "TotalPartsCount": len(version.parts),
                "IsTruncated": first + most < len(version.parts),
                "NextPartNumberMarker": page[-1][0] if page else 0,
            }
            if stored:
                members["ObjectParts"]["Parts"] = [
                    {"PartNumber": number, "Size": len(part.body), **part.checksum.members(with_type=False)}
                    for number, part in page
                ]
        return members | self._version_id(given["Bucket"], version)

    def _GetBucketVersioning(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        versioning = self._bucket(given).versioning
        return {} if versioning == "Never" else {"Status": versioning}

    def _GetObjectLockConfiguration(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        self._bucket(given)
        raise S3Error(404, "ObjectLockConfigurationNotFoundError")

    def _ListObjectAnnotations(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        self._found(given)
        return {"Annotations": [], "AnnotationCount": 0, "IsTruncated": False}

    def _ListObjectVersions(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        versions, markers = [], []
        for key, stored in sorted(self._bucket(given).versions.items()):
            if not key.startswith(given.get("Prefix", "")):
                continue
            for version in reversed(stored):
                members = {
                    "Key": key,
                    "VersionId": version.version_id,
                    "IsLatest": version is stored[-1],
                    "LastModified": datetime.fromtimestamp(version.last_modified, UTC),
                }
                if version.body is None:
                    markers.append(members)
                else:
                    members |= {"ETag": f'"{version.etag}"', "Size": len(version.body)}
                    if version.checksum:
                        members |= {
                            "ChecksumAlgorithm": [version.checksum.algorithm],
                            "ChecksumType": version.checksum.type,
                        }
                    versions.append(members)
        return {"IsTruncated": False, "Versions": versions, "DeleteMarkers": markers}

    # Writing.

    def _write(self, bucket: str, key: str, version: Version) -> Version:
        """Make a version current: a new one, or the one that is called null."""
        self._conflict(bucket, key)
        stored = self.buckets[bucket].versions.get(key, ())
        if self.buckets[bucket].versioning == "Enabled":
            self.buckets[bucket].made += 1
            version = replace(version, version_id=f"{bucket}-v{self.buckets[bucket].made}")
        else:
            version = replace(version, version_id="null")
            stored = tuple(version for version in stored if version.version_id != "null")
        self.buckets[bucket].versions[key] = (*stored, version)
        return version

    def _conflict(self, bucket: str, key: str) -> None:
        """Tell the uploads of a key that it was written or deleted."""
        for upload_id, upload in self.uploads.items():
            if (upload.bucket, upload.key) == (bucket, key):
                self.uploads[upload_id] = replace(upload, conflicted=True)

    def _require(self, given: Mapping[str, Any], current: Version | None) -> None:
        """Hold a write to its conditions."""
        match, none_match = given.get("IfMatch"), given.get("IfNoneMatch")
        # Recorded: at most one condition; IfMatch is an ETag, IfNoneMatch an asterisk.
        if (match and none_match) or match == "*" or none_match not in (None, "*"):
            raise S3Error(501, "NotImplemented")
        self._require_match(match, current)
        if none_match and current is not None:
            raise S3Error(412, "PreconditionFailed")

    @staticmethod
    def _require_match(etag: str | None, current: Version | None) -> None:
        if etag and current is None:
            raise S3Error(404, "NoSuchKey")
        if etag and current and etag.strip('"') not in (current.etag, "*"):
            raise S3Error(412, "PreconditionFailed")

    def _PutObject(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        self._bucket(given)
        self._require(given, self.current(given["Bucket"], given["Key"]))
        body = given.get("Body", b"")
        stored = Checksum(algorithm := given.get("ChecksumAlgorithm", "CRC32"), checksum(algorithm, body))
        version = self._write(
            given["Bucket"],
            given["Key"],
            Version(
                version_id="",
                body=body,
                etag=md5(body),
                last_modified=self.now,
                carried=_carried(given),
                tags=_tags(given),
                checksum=stored,
                storage_class=given.get("StorageClass", "STANDARD"),
            ),
        )
        return {"ETag": f'"{version.etag}"', **stored.members(), **self._written_id(given["Bucket"], version)}

    def _source(self, given: Mapping[str, Any]) -> Version:
        wanted = given["CopySource"]
        try:
            source = self._found(wanted)
        except S3Error as error:
            # A marker that is named by its id is a bad request here.
            raise S3Error(400, "InvalidRequest") if error.status == 405 else error from None
        if "CopySourceIfMatch" in given and given["CopySourceIfMatch"].strip('"') != source.etag:
            raise S3Error(412, "PreconditionFailed")
        return source

    def _CopyObject(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        self._bucket(given)
        source, target = self._source(given), self.current(given["Bucket"], given["Key"])
        onto_itself = source is target and (given["CopySource"]["Bucket"], given["CopySource"]["Key"]) == (
            given["Bucket"],
            given["Key"],
        )
        if onto_itself and given.get("MetadataDirective") != "REPLACE" and not CHANGES & set(given):
            raise S3Error(400, "InvalidRequest")
        self._require(given, target)
        body = source.body or b""
        if len(body) > LARGEST_COPY:
            raise S3Error(400, "InvalidRequest")
        replaced, retagged = given.get("MetadataDirective") == "REPLACE", given.get("TaggingDirective") == "REPLACE"
        kept = tuple(member for member in source.carried if member[0] != "WebsiteRedirectLocation")
        redirect = tuple((name, given[name]) for name in ("WebsiteRedirectLocation",) if name in given)
        algorithm = given.get("ChecksumAlgorithm") or (source.checksum.algorithm if source.checksum else "CRC64NVME")
        version = self._write(
            given["Bucket"],
            given["Key"],
            Version(
                version_id="",
                body=body,
                etag=md5(body),
                last_modified=self.now,
                carried=_carried(given) if replaced else tuple(sorted((*kept, *redirect))),
                tags=_tags(given) if retagged else source.tags,
                checksum=(stored := Checksum(algorithm, checksum(algorithm, body))),
                storage_class=given.get("StorageClass", "STANDARD"),
            ),
        )
        result = {
            "ETag": f'"{version.etag}"',
            "LastModified": datetime.fromtimestamp(version.last_modified, UTC),
            **stored.members(),
        }
        return {"CopyObjectResult": result, **self._written_id(given["Bucket"], version)}

    def _DeleteObject(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        bucket, key = self._bucket(given), given["Key"]
        stored = bucket.versions.get(key, ())
        self._require_match(given.get("IfMatch"), self.current(given["Bucket"], key))
        self._conflict(given["Bucket"], key)
        if wanted := given.get("VersionId"):
            left = tuple(version for version in stored if version.version_id != wanted)
            gone = [version for version in stored if version.version_id == wanted]
            self._keep(bucket, key, left)
            marker = {"DeleteMarker": True} if gone and gone[0].body is None else {}
            return {"VersionId": wanted, **marker}
        if bucket.versioning == "Never":
            self._keep(bucket, key, ())
            return {}
        marker_made = self._write(given["Bucket"], key, Version("", None, "", self.now))
        return {"DeleteMarker": True, "VersionId": marker_made.version_id}

    @staticmethod
    def _keep(bucket: Bucket, key: str, versions: tuple[Version, ...]) -> None:
        if versions:
            bucket.versions[key] = versions
        else:
            bucket.versions.pop(key, None)

    # In parts.

    def _upload(self, given: Mapping[str, Any]) -> Upload:
        upload = self.uploads.get(given["UploadId"])
        if upload is None or (upload.bucket, upload.key) != (given["Bucket"], given["Key"]):
            raise S3Error(404, "NoSuchUpload")
        return upload

    def _CreateMultipartUpload(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        self._bucket(given)
        algorithm = given.get("ChecksumAlgorithm", "CRC64NVME")
        otherwise = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
        self.uploads_made += 1
        upload_id = f"u{self.uploads_made}"
        self.uploads[upload_id] = Upload(
            bucket=given["Bucket"],
            key=given["Key"],
            began=self.now,
            carried=_carried(given),
            tags=_tags(given),
            algorithm=algorithm,
            checksum_type=given.get("ChecksumType", otherwise),
            storage_class=given.get("StorageClass", "STANDARD"),
            algorithm_requested="ChecksumAlgorithm" in given,
        )
        return {
            "Bucket": given["Bucket"],
            "Key": given["Key"],
            "UploadId": upload_id,
            **self.uploads[upload_id].members(),
        }

    def _store_part(self, given: Mapping[str, Any], body: bytes) -> Part:
        upload, number = self._upload(given), given["PartNumber"]
        part = Part(body, md5(body), Checksum(upload.algorithm, checksum(upload.algorithm, body)))
        parts = dict(upload.parts) | {number: part}
        self.uploads[given["UploadId"]] = replace(upload, parts=tuple(sorted(parts.items())))
        return part

    def _UploadPart(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        part = self._store_part(given, given["Body"])
        return {"ETag": f'"{part.etag}"', **self._upload(given).part_members(part)}

    def _UploadPartCopy(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        self._upload(given)
        body = self._source(given).body or b""
        if wanted := given.get("CopySourceRange"):
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            if last >= len(body):
                raise S3Error(400, "InvalidArgument")
            # Recorded: also of a source that is smaller than a part.
            body = kept(body[first : last + 1])
        part = self._store_part(given, body)
        members = {"ETag": f'"{part.etag}"', "LastModified": datetime.fromtimestamp(self.now, UTC)}
        return {"CopyPartResult": members | self._upload(given).part_members(part)}

    def _ListParts(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        upload = self._upload(given)
        first, most = int(given.get("PartNumberMarker") or 0), int(given.get("MaxParts") or PAGE)
        left = [(number, part) for number, part in upload.parts if number > first]
        page = left[:most]
        members: Values = {
            "UploadId": given["UploadId"],
            "IsTruncated": len(left) > most,
            "Parts": [
                {"PartNumber": number, "ETag": f'"{part.etag}"', "Size": len(part.body)}
                | {"LastModified": datetime.fromtimestamp(self.now, UTC), **upload.part_members(part)}
                for number, part in page
            ],
            "Initiator": {"ID": "arn:aws:sts::123456789012:assumed-role/ferry-copy-object/session"},
            **upload.members(),
        }
        if page:
            members["NextPartNumberMarker"] = page[-1][0]
        return members

    def _ListMultipartUploads(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        self._bucket(given)
        found = [
            {
                "Key": upload.key,
                "UploadId": upload_id,
                "Initiated": datetime.fromtimestamp(upload.began, UTC),
                "Initiator": {"ID": "arn:aws:sts::123456789012:assumed-role/ferry-copy-object/session"},
                **upload.members(),
            }
            for upload_id, upload in sorted(self.uploads.items())
            if upload.bucket == given["Bucket"] and upload.key.startswith(given.get("Prefix", ""))
        ]
        return {"IsTruncated": False, "Uploads": found}

    def _AbortMultipartUpload(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        self._upload(given)
        del self.uploads[given["UploadId"]]
        return {}

    def _CompleteMultipartUpload(self, given: Mapping[str, Any]) -> Values:  # noqa: N802
        upload = self._upload(given)
        parts = self._listed(upload, given["MultipartUpload"]["Parts"])
        self._require(given, self.current(given["Bucket"], given["Key"]))
        if upload.conflicted and ("IfMatch" in given or "IfNoneMatch" in given):
            # Recorded: after any write or deletion of the key, although the condition holds.
            raise S3Error(409, "ConditionalRequestConflict")
        if given.get("ChecksumType", upload.members().get("ChecksumType")) != upload.members().get("ChecksumType"):
            raise S3Error(400, "InvalidRequest")
        body = kept(b"".join(part.body for part in parts))
        if given.get("MpuObjectSize", len(body)) != len(body):
            raise S3Error(400, "InvalidRequest")
        stored = _checksum_of_parts(upload, parts, body)
        asked = given.get(f"Checksum{upload.algorithm}")
        if asked is not None and asked.split("-")[0] != stored.value.split("-")[0]:
            raise S3Error(400, "BadDigest")
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
        version = self._write(
            given["Bucket"],
            given["Key"],
            Version(
                version_id="",
                body=body,
                etag=f"{md5(digests)}-{len(parts)}",
                last_modified=upload.began,
                carried=upload.carried,
                tags=upload.tags,
                checksum=stored,
                storage_class=upload.storage_class,
                parts=tuple(parts),
            ),
        )
        del self.uploads[given["UploadId"]]
        members = {"Bucket": given["Bucket"], "Key": given["Key"], "ETag": f'"{version.etag}"'}
        return members | stored.members() | self._written_id(given["Bucket"], version)

    def _listed(self, upload: Upload, listed: list[Values]) -> list[Part]:
        """The parts that Complete names, held to what is there."""
        stored, found = dict(upload.parts), []
        if [entry["PartNumber"] for entry in listed] != sorted({entry["PartNumber"] for entry in listed}):
            raise S3Error(400, "InvalidPartOrder")
        for entry in listed:
            part = stored.get(entry["PartNumber"])
            if part is None or entry["ETag"].strip('"') != part.etag:
                raise S3Error(400, "InvalidPart")
            given = entry.get(f"Checksum{upload.algorithm}")
            if not upload.algorithm_requested and any(name.startswith("Checksum") for name in entry):
                raise S3Error(400, "InvalidPart")
            if given is None and upload.checksum_type == "COMPOSITE":
                raise S3Error(400, "InvalidRequest")
            if given is not None and given != part.checksum.value:
                raise S3Error(400, "InvalidPart")
            found.append(part)
        if not found:
            raise S3Error(400, "MalformedXML")
        if any(len(part.body) < SMALLEST_PART for part in found[:-1]):
            raise S3Error(400, "EntityTooSmall")
        return found


def _carried(given: Mapping[str, Any]) -> Carried:
    carried: Values = {"ContentType": "binary/octet-stream"}
    carried |= {name: given[name] for name in HEADERS if name in given}
    if "Expires" in given:
        carried["ExpiresString"] = given["Expires"]
    if given.get("Metadata"):
        carried["Metadata"] = tuple(sorted(given["Metadata"].items()))
    return tuple(sorted(carried.items()))


def _tags(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(parse_qsl(given.get("Tagging", ""), keep_blank_values=True)))


def _range(wanted: str, size: int) -> tuple[int, int]:
    first, last = (int(number) if number else None for number in wanted.removeprefix("bytes=").split("-"))
    if first is None or first >= size:
        raise S3Error(416, "InvalidRange")
    return first, min(size - 1 if last is None else last, size - 1)


def _checksum_of_parts(upload: Upload, parts: list[Part], body: bytes) -> Checksum:
    if upload.checksum_type == "FULL_OBJECT":
        return Checksum(upload.algorithm, checksum(upload.algorithm, body))
    values = b"".join(base64.b64decode(part.checksum.value) for part in parts)
    return Checksum(upload.algorithm, f"{checksum(upload.algorithm, values)}-{len(parts)}", "COMPOSITE")
