"""The states around a Distributed Map whose items are slices: the Tasks, Choices and Waits, and the Map itself.

The definition is written as Amazon States Language: the SDK lacks Distributed Maps. Only what both AWS and the local
cloud run is used ("Using Map state in Distributed mode", "ItemReader (Map)", AWS Step Functions Developer Guide).
"""

from typing import Any

from pydantic import BaseModel

from statemachine.states import task

State = dict[str, Any]
States = dict[str, State]


def call(state: str, function: str, result: tuple[type[BaseModel], str], following: str, comment: str) -> State:
    """Return a Task that calls a function with the whole document, writes its result at a path, and leads on."""
    described: State = task(state, function, *result, comment).to_dict()
    described.pop("End", None)
    return described | {"Next": following}


def choice(comment: str, path: str, value: str | int, following: str, otherwise: str) -> State:
    """Return a Choice between two states, by one value."""
    operator = "StringEquals" if isinstance(value, str) else "NumericEquals"
    return {
        "Type": "Choice",
        "Comment": comment,
        "Choices": [{"Variable": path, operator: value, "Next": following}],
        "Default": otherwise,
    }


def wait(comment: str, path: str, following: str) -> State:
    """Return a Wait for as long as a result says."""
    return {"Type": "Wait", "Comment": comment, "SecondsPath": path, "Next": following}


def each_slice(comment: str, pointers: str, root: str, states: States, following: str) -> State:
    """Return a Map over the slices of a file. Its children's results are records in S3, not in the document.

    Without a ResultWriter, their outputs together must fit into 256 KiB, whatever ResultPath is, or the Map fails
    (States.DataLimitExceeded): "ResultWriter (Map)", AWS Step Functions Developer Guide. Nobody reads what it writes
    to `<root>/<execution>/map`.
    """
    return {
        "Type": "Map",
        "Comment": comment,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": "$.plan.bucket", "Key.$": pointers},
        },
        "ItemSelector": {"scope.$": "$.scope", "slice.$": "$$.Map.Item.Value"},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": next(iter(states)),
            "States": states,
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {
                "Bucket.$": "$.plan.bucket",
                "Prefix.$": f"States.Format('{root}/{{}}/map', $$.Execution.Name)",
            },
        },
        "MaxConcurrencyPath": "$.max_concurrency",
        "ToleratedFailurePercentage": 100.0,
        "ResultPath": None,
        "Next": following,
    }
