"""Errors of the local Glue crawler."""


class GlueError(Exception):
    """A request is answered with one of Glue's exceptions."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CrawlFailed(Exception):
    """A crawl fails because of the crawler itself: its role, database or bucket."""


class UnreadableFile(Exception):
    """No table can be made of a file. It never fails a crawl."""
