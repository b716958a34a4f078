"""CompareBatch: compares the objects of one slice of an audit with the target.

Per object: HEAD the target, HEAD the source. More only for checksums of parts, for tags (`--tags`), for annotations
(`--annotations`), and for bytes that stored checksums do not tell (`--read`). It writes nothing but its records, to the
results bucket.

Called again until every object has an outcome. Idempotent: what earlier calls recorded is not compared again.

Raises what functions/auditing/slice.py lists, and SettingInvalid.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.auditing.slice import SliceCall, compare_slice
from functions.batches.settings import BatchSettings
from functions.contract.audit import ComparisonEvent
from functions.contract.batches import Batch
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import comparison_step

require_sdk("HeadObject", "GetObjectAttributes", "GetObjectTagging", "ListObjectAnnotations", "ListObjectsV2")


@comparison_step
def handler(event: ComparisonEvent, context: LambdaContext) -> Batch:
    """Compare what is left of a slice."""
    document = event.document
    call = SliceCall(
        document.scope,
        document.slice.key,
        read_settings(BatchSettings),
        context.aws_request_id,
        context.get_remaining_time_in_millis,
    )
    return compare_slice(call, document.comparison)
