"""Athena's view of the catalogue: GetDatabase, ListDatabases, GetTableMetadata, ListTableMetadata.

They are answered from Glue with the caller's permissions. Sources: these actions in the Athena API Reference; "Fine-
grained access to databases and tables" (Amazon Athena User Guide).
"""

import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.local.athena.errors import InvalidRequest
from infra.local.caller import Caller

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import DatabaseTypeDef, TableTypeDef

PAGE_SIZE = 50


def _check_catalog(request: dict[str, Any]) -> None:
    if str(request.get("CatalogName", "")).lower() != "awsdatacatalog":
        raise InvalidRequest(
            f"The local Athena supports only the catalog AwsDataCatalog, not {request.get('CatalogName')}"
        )


def _metadata_failure(error: ClientError) -> InvalidRequest:
    details = error.response["Error"]
    return InvalidRequest(
        f"{details['Message']} (Service: AmazonDataCatalog; Error Code: {details['Code']})", kind="MetadataException"
    )


def _page(items: list[Any], request: dict[str, Any], name: str) -> dict[str, Any]:
    token = str(request.get("NextToken") or "0")
    if not token.isdigit():
        raise InvalidRequest("NextToken was not issued by this service")
    start, size = int(token), int(request.get("MaxResults") or PAGE_SIZE)
    following = {"NextToken": str(start + size)} if start + size < len(items) else {}
    return {name: items[start : start + size], **following}


def _database(found: "DatabaseTypeDef") -> dict[str, Any]:
    described: dict[str, Any] = {"Name": found["Name"]}
    if "Description" in found:
        described["Description"] = found["Description"]
    if found.get("Parameters"):
        described["Parameters"] = found["Parameters"]
    return described


def _table(found: "TableTypeDef") -> dict[str, Any]:
    descriptor = found.get("StorageDescriptor") or {}
    parameters = dict(found.get("Parameters") or {})
    parameters.setdefault("location", descriptor.get("Location", ""))
    described: dict[str, Any] = {
        "Name": found["Name"],
        "TableType": found.get("TableType", ""),
        "Columns": [_column(column) for column in descriptor.get("Columns") or []],
        "PartitionKeys": [_column(column) for column in found.get("PartitionKeys") or []],
        "Parameters": parameters,
    }
    if "CreateTime" in found:
        described["CreateTime"] = found["CreateTime"].timestamp()
    return described


def _column(column: Any) -> dict[str, str]:
    return {name: column[name] for name in ("Name", "Type", "Comment") if name in column}


def get_database(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Describe a database."""
    _check_catalog(request)
    try:
        return {"Database": _database(caller.glue.get_database(Name=str(request.get("DatabaseName")))["Database"])}
    except ClientError as error:
        raise _metadata_failure(error) from error


def list_databases(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """List the databases."""
    _check_catalog(request)
    try:
        pages = caller.glue.get_paginator("get_databases").paginate()
        found = [_database(database) for page in pages for database in page["DatabaseList"]]
    except ClientError as error:
        raise _metadata_failure(error) from error
    return _page(found, request, "DatabaseList")


def get_table(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Describe a table."""
    _check_catalog(request)
    database, name = str(request.get("DatabaseName")), str(request.get("TableName"))
    try:
        return {"TableMetadata": _table(caller.glue.get_table(DatabaseName=database, Name=name)["Table"])}
    except ClientError as error:
        raise _metadata_failure(error) from error


def list_tables(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """List the tables whose names match a regular expression."""
    _check_catalog(request)
    expression = re.compile(str(request.get("Expression") or ".*"))
    try:
        pages = caller.glue.get_paginator("get_tables").paginate(DatabaseName=str(request.get("DatabaseName")))
        found = [_table(table) for page in pages for table in page["TableList"] if expression.fullmatch(table["Name"])]
    except ClientError as error:
        raise _metadata_failure(error) from error
    return _page(found, request, "TableMetadataList")
