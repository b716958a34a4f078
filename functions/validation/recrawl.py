"""Whether an object that the catalogue does not have is crawled again, or fails the validation.

Raises AccessDenied, Throttled, RequestRejected.
"""

from functions.catalogue.glue_table import Table, partition_folder
from functions.catalogue.partition_folders import in_other_folder
from functions.contract.models import ObjectVersion, StepEvent
from functions.runtime.errors import ValidationFailed


def may_crawl_again(event: StepEvent) -> bool:
    """Return True until a crawl of this attempt has covered the object.

    What an earlier attempt's crawl covered may have been lost since, and so may what needed none.
    """
    catalogue = event.document.catalogue
    if catalogue is None:
        return False
    before_this_attempt = catalogue.covers_from is not None and catalogue.covers_from < event.execution.attempt_began
    return catalogue.status == "not_needed" or before_this_attempt


def no_table(database: str) -> str:
    """Return the problem of a file that the crawl has put into no table."""
    return f"after the crawl, no table in the database {database} contains it"


def left_out(uri: str, database: str, cause: str) -> ValidationFailed:
    """Return the error of a file with rows that the crawl has put into no table; the cause may be another file."""
    if not cause:
        return not_catalogued(uri, no_table(database))
    return ValidationFailed(
        f"{uri} was copied and verified, but {no_table(database)}, {cause}. Delete that file from the target, "
        "or upload a corrected version; then replay."
    )


def no_rows(uri: str, obj: ObjectVersion | None, table: Table | None, name: str) -> ValidationFailed:
    """Return the error of a file of which Athena finds no row in its table."""
    folder = partition_folder(obj, table) if obj and table else ""
    if not table or not folder or uri.startswith(folder):
        return not_catalogued(uri, f"none of its rows can be queried in the table {name}")
    return in_other_folder(uri, folder, table)


def not_catalogued(uri: str, problem: str) -> ValidationFailed:
    """Return the error of a file that no further crawl can help."""
    return ValidationFailed(
        f"{uri} was copied and verified, but {problem}. Check the crawler's log for why it was left out, fix that, "
        "then replay."
    )
