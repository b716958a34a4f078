"""Put our run loop and our actions in the place of MiniStack's."""

from ministack.services import stepfunctions

from infra.local.patching import require_attributes, wrap
from infra.local.stepfunctions import definitions, retries
from infra.local.stepfunctions.api import StepFunctions

HELPERS = (
    *("_ExecutionError", "_add_event", "_executions", "_map_runs", "_state_machines", "_state_machine_versions"),
    *("_apply_input_path", "_apply_jsonata_output", "_apply_jsonata_template", "_apply_output_path"),
    *("_apply_result_path", "_apply_result_selector", "_apply_state_assign", "_decode_execution_token"),
    *("_encode_execution_token", "_execute_choice", "_execute_pass", "_execute_task", "_execute_wait"),
    *("_execution_version_arn", "_fail_state_error", "_finalize_response", "_iso_to_epoch_ms", "_jsonata_state_field"),
    *("_next_or_end", "_read_map_items", "_resolve_params_obj", "_resolve_path_or_ctx", "_resolve_state_machine_arn"),
    *("_state_query_language", "_with_retry_and_catch"),
)
"""What the run loop uses of MiniStack."""


def install(service: StepFunctions) -> None:
    """Apply the patches. Idempotent."""
    require_attributes(stepfunctions, *HELPERS)
    wrap(stepfunctions, "handle_request", service.handle_request)
    wrap(stepfunctions, "_describe_state_machine_for_execution", service.describe_state_machine_for_execution)
    replacements = {
        "_run_execution": service.executions.run_now,
        "_start_execution": service.respond(service.start_execution),
        "_stop_execution": service.respond(service.stop_execution),
        "_describe_execution": service.respond(service.describe_execution),
        "_list_executions": service.respond(service.list_executions),
    }
    require_attributes(stepfunctions, *replacements)
    for name, replacement in replacements.items():
        setattr(stepfunctions, name, replacement)
    retries.install()
    definitions.install()
