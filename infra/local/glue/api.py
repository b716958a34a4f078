"""Glue's requests that concern crawls; every other Glue call is MiniStack's.

A crawl is in the state that it says: READY, RUNNING, STOPPING, with LastCrawl for the one that ended, and ListCrawls
for all of them (Glue API Reference: StartCrawler, StopCrawler, ListCrawls). One crawl of a crawler runs at a time;
StartCrawler meanwhile is a CrawlerRunningException. A crawl lasts FERRY_CRAWL_SECONDS at least (2), so that what
happens during a crawl can be seen here as on AWS, where it takes minutes.
"""

import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import glue as ministack_glue

from infra.local.glue.crawl import Changes, CrawlFailed, Settings, crawl
from infra.local.glue.schema import CsvClassifier

logger = logging.getLogger(__name__)
Response = tuple[int, dict[str, str], bytes]

CONCURRENT_CRAWLS = 2
MOST_CRAWLS_A_PAGE = 1000
_workers = ThreadPoolExecutor(max_workers=CONCURRENT_CRAWLS, thread_name_prefix="crawler")


class _Options:
    min_crawl_seconds = float(os.environ.get("FERRY_CRAWL_SECONDS", "2"))


class Refused(Exception):
    """A request is answered with one of Glue's exceptions."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Crawl:
    """One crawl, as ListCrawls tells it."""

    id: str
    crawler: str
    started: float
    state: str = "RUNNING"
    ended: float | None = None
    error: str = ""
    changes: Changes = field(default_factory=Changes)
    stop: threading.Event = field(default_factory=threading.Event)

    def describe(self) -> dict[str, Any]:
        """The `CrawlerHistory` of the API."""
        found: dict[str, Any] = {
            "CrawlId": self.id,
            "State": self.state,
            "StartTime": self.started,
            "Summary": self.changes.summary(),
            "LogGroup": "/aws-glue/crawlers",
            "LogStream": self.crawler,
            "MessagePrefix": self.id,
            "DPUHour": 0.0,
        }
        if self.ended is not None:
            found["EndTime"] = self.ended
        if self.error:
            found["ErrorMessage"] = self.error
        return found


_lock = threading.Lock()
_crawls: dict[tuple[str, str, str], list[Crawl]] = {}


def configure(min_crawl_seconds: float) -> None:
    """Set how long a crawl lasts at least."""
    _Options.min_crawl_seconds = min_crawl_seconds


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
) -> Response:
    """Answer what concerns crawls, pass everything else on to MiniStack."""
    handler = _HANDLERS.get(headers.get("x-amz-target", "").rsplit(".", 1)[-1])
    if handler is None:
        answer: Response = await ministack_glue.handle_request(method, path, headers, body, query_params)
        return answer
    try:
        answer = json_response(handler(json.loads(body or b"{}")))
    except Refused as refusal:
        answer = error_response_json(refusal.code, str(refusal), 400)
    except ValueError:
        answer = error_response_json("SerializationException", "The request is no valid JSON", 400)
    return answer


def _crawler(name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = ministack_glue._crawlers.get(name)
    if found is None:
        raise Refused("EntityNotFoundException", f"Crawler with name {name} does not exist")
    return found


def _start(data: dict[str, Any]) -> dict[str, Any]:
    name = str(data.get("Name", ""))
    with _lock:
        record = _crawler(name)
        if record["State"] != "READY":
            raise Refused("CrawlerRunningException", f"Crawler with name {name} has already started")
        settings = _settings(record)
        # The start is noted before anything is listed: what was there at the start is covered.
        this = Crawl(id=str(uuid.uuid4()), crawler=name, started=time.time())
        record["State"] = "RUNNING"
        _crawls.setdefault((get_account_id(), get_region(), name), []).append(this)
    work = _workers.submit(_run, this, settings)
    work.add_done_callback(lambda done: _ended(this, record, done))
    return {}


def _settings(record: dict[str, Any]) -> Settings:
    classifiers = []
    for name in record.get("Classifiers") or []:
        found = ministack_glue._classifiers.get(name) or {}
        if "CsvClassifier" in found:
            classifiers.append(CsvClassifier.of_api(found["CsvClassifier"]))
    return Settings.of_crawler(record, tuple(classifiers), get_account_id(), get_region())


def _run(this: Crawl, settings: Settings) -> None:
    crawl(settings, this.changes, this.stop)
    this.stop.wait(max(0.0, this.started + _Options.min_crawl_seconds - time.time()))


def _ended(this: Crawl, record: dict[str, Any], done: "Future[None]") -> None:
    """However the work ended, the crawl ends and the crawler is READY again."""
    error = done.exception()
    with _lock:
        if error is None:
            this.state = "STOPPED" if this.stop.is_set() else "COMPLETED"
        else:
            this.state, this.error = "FAILED", str(error) or type(error).__name__
            if not isinstance(error, CrawlFailed):
                logger.error("crawl %s broke down", this.id, exc_info=error)
                this.error = f"Internal Service Exception: {this.error}"
            logger.warning("crawler %s failed: %s", this.crawler, this.error)
        this.ended = time.time()
        record["State"] = "READY"
        record["CrawlElapsedTime"] = round((this.ended - this.started) * 1000)
        record["LastCrawl"] = {
            "Status": {"COMPLETED": "SUCCEEDED", "STOPPED": "CANCELLED"}.get(this.state, "FAILED"),
            "LogGroup": "/aws-glue/crawlers",
            "LogStream": this.crawler,
            "MessagePrefix": this.id,
            "StartTime": this.started,
            **({"ErrorMessage": this.error} if this.error else {}),
        }


def _stop(data: dict[str, Any]) -> dict[str, Any]:
    name = str(data.get("Name", ""))
    with _lock:
        record = _crawler(name)
        if record["State"] == "STOPPING":
            raise Refused("CrawlerStoppingException", f"Crawler with name {name} is stopping already")
        if record["State"] != "RUNNING":
            raise Refused("CrawlerNotRunningException", f"Crawler with name {name} isn't running")
        record["State"] = "STOPPING"
        _crawls[get_account_id(), get_region(), name][-1].stop.set()
    return {}


def _list(data: dict[str, Any]) -> dict[str, Any]:
    name = str(data.get("CrawlerName", ""))
    _crawler(name)
    with _lock:
        found = list(reversed(_crawls.get((get_account_id(), get_region(), name), [])))
    for condition in data.get("Filters") or []:
        found = [each for each in found if _meets(each, condition)]
    size = int(data.get("MaxResults") or 20)
    if not 1 <= size <= MOST_CRAWLS_A_PAGE:
        raise Refused("InvalidInputException", f"MaxResults must be between 1 and {MOST_CRAWLS_A_PAGE}")
    token = str(data.get("NextToken") or "0")
    if not token.isdigit():
        raise Refused("InvalidInputException", "NextToken is not one that this service gave out")
    start = int(token)
    more = {"NextToken": str(start + size)} if start + size < len(found) else {}
    return {"Crawls": [each.describe() for each in found[start : start + size]], **more}


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "GT": lambda a, b: a > b,
    "GE": lambda a, b: a >= b,
    "LT": lambda a, b: a < b,
    "LE": lambda a, b: a <= b,
    "EQ": lambda a, b: a == b,
    "NE": lambda a, b: a != b,
}


def _meets(this: Crawl, condition: dict[str, str]) -> bool:
    """Whether a crawl meets a CrawlsFilter; times are milliseconds since 1970 (Glue API Reference: CrawlsFilter)."""
    name, operator = condition.get("FieldName", ""), condition.get("FilterOperator", "")
    value = condition.get("FieldValue", "")
    if operator not in _OPERATORS:
        raise Refused("InvalidInputException", f"{operator} is no filter operator; use {', '.join(_OPERATORS)}")
    if name in {"CRAWL_ID", "STATE"}:
        return _OPERATORS[operator](this.id if name == "CRAWL_ID" else this.state, value)
    numbers = {"START_TIME": this.started * 1000, "END_TIME": (this.ended or 0) * 1000, "DPU_HOUR": 0.0}
    if name not in numbers:
        raise Refused("InvalidInputException", f"{name} is no field to filter by")
    try:
        wanted = float(value)
    except ValueError as error:
        raise Refused("InvalidInputException", f"{value} is no number to compare {name} with") from error
    return not (name == "END_TIME" and this.ended is None) and _OPERATORS[operator](numbers[name], wanted)


_HANDLERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "StartCrawler": _start,
    "StopCrawler": _stop,
    "ListCrawls": _list,
}
