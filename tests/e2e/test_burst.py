"""Many uploads at once: how many crawls they take depends on how long one lasts, so here it is as long as always."""

from tests.support.deployed.deployment import Deployed

GIB = 1024**3


def test_a_hundred_files_at_once_share_a_few_crawls_and_little_memory(
    unhurried_deployment: Deployed, folder: str
) -> None:
    deployment = unhurried_deployment
    keys = [f"{folder}/{number:03}.csv" for number in range(100)]
    before = deployment.crawls()
    for number, key in enumerate(keys):
        deployment.put(key, f"ship,berth\nAurora,{number}\nBorealis,{number}\n".encode())
    held_bytes: list[int] = []
    runs = deployment.runs(keys, meanwhile=lambda: held_bytes.append(deployment.memory_bytes()))
    assert [(run.status, run.cause) for run in runs] == [("SUCCEEDED", "")] * len(keys)
    assert {run.document["validation"]["rows"] for run in runs} == {2}
    assert 1 <= len(deployment.crawls() - before) <= 10
    if deployment.embedded:
        assert 0 < max(held_bytes) < 2 * GIB
