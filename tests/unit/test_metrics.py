"""Metrics are counted once each, also by many threads."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.runtime.step import add_metric, send_metrics

THREADS, ADDED = 32, 4_000


@pytest.fixture
def switching_often() -> Iterator[None]:
    """Let threads take turns as often as Python can, so that a race is likely."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("switching_often")
def test_metrics_of_parallel_threads_are_all_sent(capsys: pytest.CaptureFixture[str]) -> None:
    send_metrics()
    capsys.readouterr()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: add_metric(f"Metric{number % 3}", number), range(ADDED)))
    send_metrics()
    sent: Counter[float] = Counter()
    for line in capsys.readouterr().out.splitlines():
        blob = json.loads(line)
        for name, values in blob.items():
            if name.startswith("Metric"):
                sent.update(values)
    assert sent == Counter(float(number) for number in range(ADDED))
