"""Glue's API for crawls; MiniStack serves every other action of Glue.

A crawler is READY, RUNNING or STOPPING, with LastCrawl for the crawl that ended last; ListCrawls has all of them (Glue
API Reference: StartCrawler, StopCrawler, ListCrawls). A crawler runs one crawl at a time: StartCrawler meanwhile is a
CrawlerRunningException. A crawl takes at least a minimum time, so that what happens during a crawl can be seen locally
as on AWS, where it takes minutes.
"""

import json
import logging
import operator
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import glue as ministack_glue

from infra.local.caller import Callers
from infra.local.glue.crawl import crawl
from infra.local.glue.errors import CrawlFailed, GlueError
from infra.local.glue.models import CrawlerDefinition, CrawlRecord, CsvClassifier
from infra.local.glue.sampling import SchemaCache

logger = logging.getLogger(__name__)
Response = tuple[int, dict[str, str], bytes]
Request = dict[str, Any]

CONCURRENT_CRAWLS = 2
MAX_CRAWLS_PER_PAGE = 1000
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "GT": operator.gt,
    "GE": operator.ge,
    "LT": operator.lt,
    "LE": operator.le,
    "EQ": operator.eq,
    "NE": operator.ne,
}


class Crawlers:
    """The service: its crawls, and the threads that run them."""

    def __init__(self, callers: Callers, min_crawl_seconds: float) -> None:
        self._callers = callers
        self._min_crawl_seconds = min_crawl_seconds
        self._schemas = SchemaCache()
        self._lock = threading.Lock()
        self._crawls: dict[tuple[str, str, str], list[CrawlRecord]] = {}
        self._workers = ThreadPoolExecutor(max_workers=CONCURRENT_CRAWLS, thread_name_prefix="crawler")
        self._handlers: dict[str, Callable[[Request], dict[str, Any]]] = {
            "StartCrawler": self._start,
            "StopCrawler": self._stop,
            "ListCrawls": self._list,
        }

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        """Handle the actions on crawls; pass every other action to MiniStack."""
        handler = self._handlers.get(headers.get("x-amz-target", "").rsplit(".", 1)[-1])
        response: Response
        if handler is None:
            response = await ministack_glue.handle_request(method, path, headers, body, query_params)
            return response
        try:
            response = json_response(handler(json.loads(body or b"{}")))
        except GlueError as error:
            response = error_response_json(error.code, str(error), 400)
        except ValueError:
            response = error_response_json("SerializationException", "The request is not valid JSON", 400)
        return response

    def _start(self, request: Request) -> dict[str, Any]:
        name = str(request.get("Name", ""))
        with self._lock:
            record = _find_crawler(name)
            if record["State"] != "READY":
                raise GlueError("CrawlerRunningException", f"Crawler with name {name} has already started")
            settings = _settings_of(record)
            # The start is recorded before anything is listed: the crawl covers what existed then.
            started = CrawlRecord(id=str(uuid.uuid4()), crawler=name, started=time.time())
            record["State"] = "RUNNING"
            self._crawls.setdefault((get_account_id(), get_region(), name), []).append(started)
        work = self._workers.submit(self._run, started, settings)
        work.add_done_callback(lambda done: self._end(started, record, done))
        return {}

    def _run(self, running: CrawlRecord, settings: CrawlerDefinition) -> None:
        crawl(settings, running.changes, running.stop, self._callers, self._schemas)
        running.stop.wait(max(0.0, running.started + self._min_crawl_seconds - time.time()))

    def _end(self, ended: CrawlRecord, record: dict[str, Any], done: "Future[None]") -> None:
        """End the crawl and make the crawler READY again, however its work ended."""
        error = done.exception()
        with self._lock:
            if error is None:
                ended.state = "STOPPED" if ended.stop.is_set() else "COMPLETED"
            else:
                ended.state, ended.error = "FAILED", str(error) or type(error).__name__
                if not isinstance(error, CrawlFailed):
                    logger.error("crawl %s raised an unexpected error", ended.id, exc_info=error)
                    ended.error = f"Internal Service Exception: {ended.error}"
                logger.warning("crawler %s failed: %s", ended.crawler, ended.error)
            ended.ended = time.time()
            record["State"] = "READY"
            record["CrawlElapsedTime"] = round((ended.ended - ended.started) * 1000)
            record["LastCrawl"] = ended.describe_last()

    def _stop(self, request: Request) -> dict[str, Any]:
        name = str(request.get("Name", ""))
        with self._lock:
            record = _find_crawler(name)
            if record["State"] == "STOPPING":
                raise GlueError("CrawlerStoppingException", f"Crawler with name {name} is already stopping")
            if record["State"] != "RUNNING":
                raise GlueError("CrawlerNotRunningException", f"Crawler with name {name} isn't running")
            record["State"] = "STOPPING"
            self._crawls[get_account_id(), get_region(), name][-1].stop.set()
        return {}

    def _list(self, request: Request) -> dict[str, Any]:
        name = str(request.get("CrawlerName", ""))
        _find_crawler(name)
        with self._lock:
            crawls = list(reversed(self._crawls.get((get_account_id(), get_region(), name), [])))
        for condition in request.get("Filters") or []:
            crawls = [listed for listed in crawls if _matches(listed, condition)]
        size = int(request.get("MaxResults") or 20)
        if not 1 <= size <= MAX_CRAWLS_PER_PAGE:
            raise GlueError("InvalidInputException", f"MaxResults must be between 1 and {MAX_CRAWLS_PER_PAGE}")
        token = str(request.get("NextToken") or "0")
        if not token.isdigit():
            raise GlueError("InvalidInputException", "NextToken was not issued by this service")
        start = int(token)
        next_page = {"NextToken": str(start + size)} if start + size < len(crawls) else {}
        return {"Crawls": [listed.describe() for listed in crawls[start : start + size]], **next_page}


def _find_crawler(name: str) -> dict[str, Any]:
    """Return MiniStack's record of a crawler."""
    record: dict[str, Any] | None = ministack_glue._crawlers.get(name)
    if record is None:
        raise GlueError("EntityNotFoundException", f"Crawler with name {name} does not exist")
    return record


def _settings_of(record: dict[str, Any]) -> CrawlerDefinition:
    classifiers = []
    for name in record.get("Classifiers") or []:
        found = ministack_glue._classifiers.get(name) or {}
        if "CsvClassifier" in found:
            classifiers.append(CsvClassifier.of_api(found["CsvClassifier"]))
    return CrawlerDefinition.of_crawler(record, tuple(classifiers), get_account_id(), get_region())


def _matches(listed: CrawlRecord, condition: dict[str, str]) -> bool:
    """Return whether a crawl matches a CrawlsFilter; times are milliseconds since 1970 (Glue API Reference)."""
    name, compare = condition.get("FieldName", ""), condition.get("FilterOperator", "")
    value = condition.get("FieldValue", "")
    if compare not in _OPERATORS:
        raise GlueError("InvalidInputException", f"{compare} is not a filter operator; use {', '.join(_OPERATORS)}")
    if name in {"CRAWL_ID", "STATE"}:
        return _OPERATORS[compare](listed.id if name == "CRAWL_ID" else listed.state, value)
    numbers = {"START_TIME": listed.started * 1000, "END_TIME": (listed.ended or 0) * 1000, "DPU_HOUR": 0.0}
    if name not in numbers:
        raise GlueError("InvalidInputException", f"{name} is not a field to filter by")
    try:
        number = float(value)
    except ValueError as error:
        raise GlueError("InvalidInputException", f"{value} is not a number to compare {name} with") from error
    if name == "END_TIME" and listed.ended is None:
        return False
    return _OPERATORS[compare](numbers[name], number)
