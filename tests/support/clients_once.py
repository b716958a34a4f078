"""Have botocore make once a process what it makes for each client: a service's model, its methods, its endpoint rules.

Each test has new clients of its functions, with its own handlers of events. They share what nobody changes.
"""

from collections.abc import Callable
from typing import Any

import botocore.endpoint_provider
import pytest
from botocore.client import ClientCreator


def install(patch: pytest.MonkeyPatch) -> None:
    """Patch botocore in this process."""
    patch.setattr(ClientCreator, "_load_service_model", _model_once(ClientCreator._load_service_model))  # type: ignore[attr-defined]
    patch.setattr(ClientCreator, "_create_methods", _methods_once(ClientCreator._create_methods))  # type: ignore[attr-defined]
    patch.setattr(botocore.endpoint_provider, "RuleSet", _rules_once(botocore.endpoint_provider.RuleSet))


def _model_once(load: Callable[..., Any]) -> Callable[..., Any]:
    models: dict[tuple[Any, ...], Any] = {}

    def load_once(creator: Any, service_name: str, api_version: str | None = None) -> Any:
        # A loader reads one AWS_DATA_PATH.
        key = (creator._loader, service_name, api_version)
        if key not in models:
            models[key] = load(creator, service_name, api_version)
        return models[key]

    return load_once


def _methods_once(create: Callable[..., Any]) -> Callable[..., Any]:
    methods: dict[Any, dict[str, Any]] = {}

    def create_once(creator: Any, service_model: Any) -> dict[str, Any]:
        if service_model not in methods:
            methods[service_model] = create(creator, service_model)
        # Handlers of the client's creation add others.
        return dict(methods[service_model])

    return create_once


def _rules_once(rule_set: Callable[..., Any]) -> Callable[..., Any]:
    made: dict[int, tuple[Any, Any]] = {}

    def make_once(*, rules: Any, **others: Any) -> Any:
        # The rules are kept, so that their id remains theirs.
        if id(rules) not in made:
            made[id(rules)] = (rules, rule_set(rules=rules, **others))
        return made[id(rules)][1]

    return make_once
