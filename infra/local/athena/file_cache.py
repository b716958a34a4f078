"""The files that queries prepared last.

A validation queries the same file several times, so prepared files are cached by key and ETag. The cache checks no
permission: each query asks S3 again whether its caller may read the object.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

from infra.local.athena.models import PreparedFile

MAX_BYTES = 128 * 1024 * 1024


class FileCache:
    """A least-recently-used cache of files. Queries hold hard links, so evicting a file breaks no query."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._files: OrderedDict[Hashable, tuple[PreparedFile, int]] = OrderedDict()
        # Counted as files come and go: a stat of every cached file for each new one makes large folders quadratic.
        self._total_bytes = 0
        self._next_number = 1

    def take(self, key: Hashable, target: Path) -> PreparedFile | None:
        """Link a cached file to `target`."""
        with self._lock:
            if key not in self._files:
                return None
            self._files.move_to_end(key)
            cached, _ = self._files[key]
            target.hardlink_to(cached.path)
            return replace(cached, path=target)

    def put(self, key: Hashable, prepared: PreparedFile) -> None:
        """Cache a file and evict the least recently used ones."""
        with self._lock:
            if key in self._files:
                return
            path = self._folder / str(self._next_number)
            self._next_number += 1
            path.hardlink_to(prepared.path)
            size_bytes = path.stat().st_size
            self._files[key] = replace(prepared, path=path), size_bytes
            self._total_bytes += size_bytes
            while self._total_bytes > self._max_bytes:
                _, (oldest, oldest_bytes) = self._files.popitem(last=False)
                oldest.path.unlink()
                self._total_bytes -= oldest_bytes
