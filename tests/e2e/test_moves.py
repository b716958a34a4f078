"""A move out of a versioned bucket: the source is hidden by a delete marker, never lost, and can be had back.

The other ways and faults of a move are with those of a copy: test_keys, test_formats, test_bad_files, test_failures.
"""

from typing import Any

import pytest

from tests.support.deployed.deployment import Deployed
from tests.support.deployed.names import in_mode
from tests.support.deployed.waiting import GIVEN

BODY = b"ship,berth\nAurora,1\n"


@pytest.fixture(scope="module")
def versioned(request: pytest.FixtureRequest) -> Deployed:
    """A deployment whose source bucket keeps versions, by itself where it was given."""
    found: Deployed = request.getfixturevalue("deployment" if GIVEN else "broken_deployment")
    bucket = found.outputs.source_bucket
    if not GIVEN:
        found.source.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    elif found.source.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        pytest.skip("the source bucket of this deployment keeps no versions")
    if not found.moves:
        pytest.skip("no rule of this deployment moves anything")
    return found


def versions(versioned: Deployed, key: str) -> dict[str, Any]:
    """The versions and delete markers of the source."""
    where = {"Bucket": versioned.outputs.source_bucket, "Prefix": key}
    return dict(versioned.source.list_object_versions(**where))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["fleet.bin", "fleet.csv"])
def test_what_was_moved_can_be_had_back(name: str, versioned: Deployed, folder: str) -> None:
    key = in_mode("move", f"{folder}/{name}")
    versioned.put(key, BODY, Metadata={"ship": "Aurora"}, Tagging="class=express")
    run = versioned.one_run(key)
    versioned.assert_arrived(run, BODY, "move")
    assert versioned.head(key)["Metadata"] == {"ship": "Aurora"}
    assert versioned.tags(key) == {"class": "express"}

    (marker,) = versions(versioned, key)["DeleteMarkers"]
    assert marker["VersionId"] == run.document["deletion"]["delete_marker"]
    where = {"Bucket": versioned.outputs.source_bucket, "Key": key}
    versioned.source.delete_object(**where, VersionId=marker["VersionId"])  # type: ignore[arg-type]
    assert versioned.source.get_object(**where)["Body"].read() == BODY  # type: ignore[arg-type]


def test_of_several_uploads_the_last_is_moved_and_none_is_lost(versioned: Deployed, folder: str) -> None:
    key = in_mode("move", f"{folder}/fleet.csv")
    bodies = [f"ship,berth\nAurora,{number}\n".encode() for number in range(3)]
    for body in bodies:
        versioned.put(key, body)
    runs = versioned.runs([key], number=3)
    assert "SUCCEEDED" in {run.status for run in runs}
    # One that begins after the last upload was moved finds no source, and says where that upload is.
    moved = f"a later upload of it was already moved and is at s3://{versioned.outputs.target_bucket}/{key}"
    for run in runs:
        assert run.status == "SUCCEEDED" or (run.error == "SourceMissing" and moved in run.cause), run.cause
    assert versioned.arrived(key) == bodies[-1]
    assert not versioned.is_at_source(key)
    kept = [version["VersionId"] for version in versions(versioned, key)["Versions"]]
    where = {"Bucket": versioned.outputs.source_bucket, "Key": key}
    read = [versioned.source.get_object(**where, VersionId=version_id)["Body"].read() for version_id in kept]  # type: ignore[arg-type]
    assert sorted(read) == bodies
