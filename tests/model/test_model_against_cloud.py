"""The model of S3 answers as the embedded cloud does: random calls go to both, and every answer is compared.

The two have nothing in common, so what both say is not just one author's mistake. Version and upload ids are
compared by the order in which they were first seen; times are not compared.
"""

import os
import uuid
from random import Random
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies

from tests.model.s3 import S3, Bucket, S3Error, Versioning
from tests.support.workflow.world import Clients

SEQUENCES = int(os.environ.get("FERRY_CASES", "100")) // 2
SEED = int(os.environ.get("FERRY_SEED", "0"))
MOST_CALLS = 14
VERSIONINGS: tuple[Versioning, ...] = ("Enabled", "Suspended", "Never")
KEYS = ("a", "b")
MIB = 1024**2
BODIES = (b"", b"one", b"other", bytes(range(256)) * (6 * MIB // 256))
ETAGS = ('"d41d8cd98f00b204e9800998ecf8427e"', "*")
IGNORED = {"ResponseMetadata", "LastModified", "AcceptRanges", "Bucket", "Key", "Initiated", "ServerSideEncryption"}
IGNORED |= {"MaxParts", "PartNumberMarker", "NextPartNumberMarker", "Owner", "Initiator", "StorageClass", "Name"}
IGNORED |= {"Prefix", "MaxKeys", "MaxUploads", "KeyMarker", "UploadIdMarker", "VersionIdMarker", "EncodingType"}
IGNORED |= {"AbortDate", "RequestCharged", "CopySourceVersionId", "Location", "IsTruncated", "NextKeyMarker"}
GONE = dict.fromkeys(("NoSuchKey", "NoSuchVersion", "404"), "gone")
"""The functions make no difference between them."""

Values = dict[str, Any]


class Names:
    """Ids of one side, by the order in which they were first seen."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def short(self, value: str) -> str:
        if value not in self.seen:
            self.seen.append(value)
        return f"#{self.seen.index(value)}"


def normal(value: Any, names: Names, name: str = "") -> Any:
    """An answer without what may differ."""
    if isinstance(value, dict):
        return {
            key: normal(item, names, key)
            for key, item in sorted(value.items())
            if key not in IGNORED and item not in ([], {}, None)
        }
    if isinstance(value, list):
        return [normal(item, names) for item in value]
    if name in ("VersionId", "UploadId") and value != "null":
        return names.short(value)
    if name == "ETag":
        return value.strip('"')
    return value.read() if name == "Body" else value


def calls(random: Random, state: "Both") -> tuple[str, Values]:
    """A call that may make sense now; its ids are ordinals."""
    bucket, key = random.choice(("one", "two")), random.choice(KEYS)
    where: Values = {"Bucket": bucket, "Key": key}
    which: Values = dict(where)
    if state.versions and random.random() < 0.3:
        which["VersionId"] = random.choice((*state.versions, "null"))
    etag = random.choice((*ETAGS[:1], *state.etags))
    conditions: tuple[Values, ...] = ({"IfNoneMatch": "*"}, {"IfMatch": etag})
    unsupported: tuple[Values, ...] = ({"IfNoneMatch": etag}, {"IfMatch": "*"}, {"IfMatch": etag, "IfNoneMatch": "*"})
    condition: Values = random.choice(({}, random.choice(conditions), random.choice((*conditions, *unsupported))))
    source: Values = {"Bucket": random.choice(("one", "two")), "Key": random.choice(KEYS)}
    pinned: Values = {"CopySourceIfMatch": random.choice((*ETAGS[:1], *state.etags))} if random.random() < 0.4 else {}
    put: Values = {"Body": random.choice(BODIES), "Metadata": random.choice(({}, {"colour": "red"}))}
    # S3's own default is binary/octet-stream, the emulator's is not.
    put["ContentType"] = random.choice(("text/csv", "binary/octet-stream"))
    put |= random.choice(({}, {"Tagging": "team=data"}))
    part_of_it: Values = {"ChecksumMode": "ENABLED", "PartNumber": random.randint(1, 2)}
    algorithm = {"ChecksumAlgorithm": random.choice(("CRC32", "CRC64NVME", "SHA256"))}
    begun = random.choice(state.uploads) if state.uploads else None
    possible: list[tuple[str, Values]] = [
        ("PutObject", where | put | condition),
        ("PutObject", where | put | algorithm),
        ("HeadObject", which | {"ChecksumMode": "ENABLED"}),
        ("GetObject", which | {"ChecksumMode": "ENABLED"} | random.choice(({}, {"Range": "bytes=1-2"}))),
        (random.choice(("HeadObject", "GetObject")), which | part_of_it),
        ("GetObjectAttributes", which | {"ObjectAttributes": ["ETag", "Checksum", "ObjectParts", "ObjectSize"]}),
        ("GetObjectTagging", which),
        ("PutObjectTagging", which | {"Tagging": {"TagSet": [{"Key": "team", "Value": "model"}]}}),
        ("DeleteObject", which),
        ("DeleteObject", where | ({"IfMatch": random.choice(state.etags)} if state.etags else {})),
        ("ListObjectVersions", {"Bucket": bucket}),
        ("CopyObject", where | {"CopySource": source} | pinned | condition | algorithm),
        ("CreateMultipartUpload", where | {"Metadata": {"colour": "blue"}, "ContentType": "text/csv"} | algorithm),
        ("CreateMultipartUpload", where | {"ContentType": "text/csv"}),
    ]
    if begun:
        which_upload = dict(begun)
        part = {"PartNumber": random.randint(1, 2), "CopySource": source} | pinned
        ranged = random.choice(({}, {"CopySourceRange": "bytes=0-5242879"}, {"CopySourceRange": "bytes=1-2"}))
        possible += [
            ("UploadPartCopy", which_upload | part | ranged),
            ("UploadPartCopy", which_upload | part),
            ("ListParts", which_upload),
            ("CompleteMultipartUpload", which_upload | condition),
            ("CompleteMultipartUpload", which_upload),
            ("AbortMultipartUpload", which_upload),
        ]
    return random.choice(possible)


class Both:
    """The model and the cloud, and what is known of both."""

    def __init__(self, cloud: Any, buckets: dict[str, str], versionings: dict[str, Versioning]) -> None:
        self.model = S3({name: Bucket(versioning) for name, versioning in versionings.items()})
        self.cloud, self.buckets, self.versionings = cloud, buckets, versionings
        self.names = Names(), Names()
        self.versions: list[str] = []
        self.etags: list[str] = []
        self.uploads: list[Values] = []
        self.did: list[str] = []

    def call(self, operation: str, given: Values) -> None:
        """Make a call to both, and compare."""
        self.did.append(f"{operation} { ({**given, 'Body': len(given['Body'])} if 'Body' in given else given) }")
        response = []
        for side, ask in enumerate((self._ask_model, self._ask_cloud)):
            response.append(ask(operation, self._with_ids(operation, given, side)))
        mine, others = response
        assert mine == others, "\n".join(
            [str(self.versionings), *self.did, f"model: {_short(mine)}", f"cloud: {_short(others)}"]
        )
        if isinstance(mine, dict):
            self._learn(operation, given, mine)

    def _with_ids(self, operation: str, given: Values, side: int) -> Values:
        full = dict(given)
        for name in ("VersionId", "UploadId"):
            if str(full.get(name, "")).startswith("#"):
                full[name] = self.names[side].seen[int(full[name][1:])]
        if operation == "CompleteMultipartUpload":
            ask = self._raw_model if side == 0 else self._raw_cloud
            where = {name: full[name] for name in ("Bucket", "Key", "UploadId")}
            try:
                parts = ask("ListParts", where).get("Parts", [])
            except (S3Error, ClientError):
                parts = [{"PartNumber": 1, "ETag": '"none"'}]
            kept = ("PartNumber", "ETag", "ChecksumCRC32", "ChecksumCRC64NVME", "ChecksumSHA256")
            full["MultipartUpload"] = {"Parts": [{k: part[k] for k in kept if k in part} for part in parts]}
        return full

    def _raw_model(self, operation: str, given: Values) -> Values:
        return self.model.call(operation, given)

    def _raw_cloud(self, operation: str, given: Values) -> Values:
        full = given | {"Bucket": self.buckets[given["Bucket"]]}
        if "CopySource" in full:
            full["CopySource"] = full["CopySource"] | {"Bucket": self.buckets[full["CopySource"]["Bucket"]]}
        method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).strip("_")
        answer: Values = getattr(self.cloud, method)(**full)
        return answer

    def _ask_model(self, operation: str, given: Values) -> Any:
        try:
            return normal(self._raw_model(operation, given), self.names[0])
        except S3Error as error:
            return GONE.get(error.code, error.code)

    def _ask_cloud(self, operation: str, given: Values) -> Any:
        try:
            return normal(self._raw_cloud(operation, given), self.names[1])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return GONE.get(code, code)

    def _learn(self, operation: str, given: Values, response: Values) -> None:
        if "VersionId" in response and operation in ("PutObject", "CopyObject", "CompleteMultipartUpload"):
            self.versions.append(response["VersionId"])
        if operation == "PutObject":
            self.etags.append(response["ETag"])
        if operation == "CompleteMultipartUpload":
            # What a second Complete is answered, AWS leaves open; the copy takes either answer.
            self.uploads = [upload for upload in self.uploads if upload["UploadId"] != given["UploadId"]]
        if operation == "CreateMultipartUpload":
            self.uploads.append({"Bucket": given["Bucket"], "Key": given["Key"], "UploadId": response["UploadId"]})


def _short(response: Any) -> str:
    return repr({k: v for k, v in response.items() if k != "Body"} if isinstance(response, dict) else response)


def fresh(cloud: Any, versioning: Versioning) -> str:
    """A bucket in which nothing ever was."""
    bucket = f"model-{uuid.uuid4().hex}"
    cloud.create_bucket(Bucket=bucket)
    if versioning != "Never":
        cloud.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning})
    return bucket


def empty(cloud: Any, bucket: str) -> None:
    """Give the memory back."""
    listed = cloud.list_object_versions(Bucket=bucket)
    for version in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
        cloud.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def test_model_answers_as_the_embedded_cloud_does(clients_of_tests: Clients) -> None:
    cloud = clients_of_tests.target

    @seed(SEED)
    @settings(
        max_examples=SEQUENCES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.integers(0, 2**64))
    def compare(number: int) -> None:
        random = Random(number)
        versionings: dict[str, Versioning] = {name: random.choice(VERSIONINGS) for name in ("one", "two")}
        chosen = {name: fresh(cloud, versioning) for name, versioning in versionings.items()}
        both = Both(cloud, chosen, versionings)
        for _ in range(random.randint(3, MOST_CALLS)):
            both.call(*calls(random, both))
        for bucket in chosen.values():
            empty(cloud, bucket)

    compare()
