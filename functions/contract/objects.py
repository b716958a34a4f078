"""What identifies an S3 object in the documents: the upload of an event, a version, a stored object."""

from datetime import UTC
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, NonNegativeInt

Utc = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]
VersionId = Annotated[str | None, BeforeValidator(lambda value: None if value == "null" else value)]
"""S3 uses the version id `null` for objects in an unversioned or suspended bucket: it means no version."""

Grade = Literal["md5", "composite", "checksum", "readback", "bytes"]
GRADES: tuple[Grade, ...] = ("md5", "composite", "checksum", "readback", "bytes")
"""From the weakest to the strongest; docs/design.md explains each."""


class Model(BaseModel):
    """Immutable; unknown fields are ignored, because an older or newer ASL may send them."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Source(Model):
    """One upload, as its event describes it."""

    bucket: str
    region: str
    key: str
    version_id: VersionId = None
    etag: str
    sequencer: str
    size_bytes: NonNegativeInt

    @classmethod
    def of(cls, stored: "StoredObject") -> "Source":
        """Return an upload that no event describes, from the object itself."""
        return cls(
            bucket=stored.bucket,
            region=stored.region,
            key=stored.key,
            version_id=stored.version_id,
            etag=stored.etag,
            sequencer="",
            size_bytes=stored.size_bytes,
        )


class ObjectVersion(Model):
    """Identifies one object exactly: by its version in a versioned bucket, else by its ETag."""

    bucket: str
    region: str
    key: str
    version_id: VersionId
    etag: str

    @property
    def version_or_etag(self) -> str:
        """The version id, else the ETag."""
        return self.version_id or self.etag


class StoredObject(ObjectVersion):
    """An object, the checksums that S3 stores for it, and what distinguishes it from another upload of the same bytes.

    `carried_digest` is a digest of everything that travels with the bytes, as HEAD returns it
    (functions/objects/attributes.py).
    """

    size_bytes: NonNegativeInt
    checksum_algorithm: str | None = None
    checksum_value: str | None = None
    checksum_type: str | None = None
    etag_is_md5: bool = False
    last_modified: Utc | None = None
    carried_digest: str = ""
