"""A query ready to run: resolved against the catalogue, with its tables and functions in DuckDB."""

import time
from pathlib import Path

from infra.local.athena import engine
from infra.local.athena.analysis.results import Compiled
from infra.local.athena.catalogue import QueryCatalogue
from infra.local.athena.errors import QueryFailure
from infra.local.athena.executions import QueryExecution
from infra.local.athena.file_cache import FileCache
from infra.local.athena.preparation import Preparation
from infra.local.athena.relations import Relations
from infra.local.athena.sql import query_nodes
from infra.local.athena.statement import ParsedStatement


class PreparedQuery:
    """A query whose tables DuckDB can read."""

    def __init__(
        self,
        execution: QueryExecution,
        statement: ParsedStatement,
        query: query_nodes.Query,
        folder: Path,
        cache: FileCache,
    ) -> None:
        self._execution = execution
        self._catalogue = QueryCatalogue(execution.caller)
        analyzer = statement.analyzer(self._catalogue.table, execution.database)
        try:
            self.compiled: Compiled = analyzer.whole(query)
        except RecursionError as error:
            message = "STACK_OVERFLOW: statement is too large (stack overflow during analysis)"
            raise QueryFailure(message) from error
        self.scans = [scan.with_columns_of(self.compiled.sql) for scan in analyzer.scans]
        self.connection = engine.connect(folder)
        self._functions = list(analyzer.context.functions.values())
        self._refusals: list[str] = []
        self._preparation = Preparation(execution.caller, self.connection, folder, cache)

    def close(self) -> None:
        """Close the connections to DuckDB and S3."""
        self._execution.set_interrupt(None)
        self._preparation.close()
        self.connection.close()

    def check(self) -> None:
        """Check what has run. Raises QueryFailure if TRY may have hidden what is not supported."""
        engine.check_refusals(self.compiled.sql, self._refusals)

    def prepare(self) -> bool:
        """Prepare the tables and functions; False if the query was stopped."""
        relations = Relations(self._execution.caller, self.connection, self._preparation)
        for scan in self.scans:
            table = self._catalogue.table(scan.database, scan.table)
            relations.create(scan, table, self._catalogue.partitions(table, scan))
            if self._execution.completed is not None:
                return False
        self._refusals = engine.add_functions(self.connection, self._functions)
        self._execution.bytes_scanned = relations.bytes_scanned
        self._execution.planned = time.time() - self._execution.started
        self._execution.set_interrupt(self.connection.interrupt)
        return True
