"""Responses to generated requests match the schema and are never server errors."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_responses_match_the_schema(listening: Callable[..., int], mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{listening()}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == 17
    requested: set[str] = set()
    # schemathesis writes no multipart/related; test_reports.py covers these routes.
    for operation in (one for one in operations if "dicomweb" not in one.path):

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def matches(case: schemathesis.Case[Any]) -> None:
            requested.add(case.path)
            case.call_and_validate(checks=CHECKS)

        # A route without parameters has no invalid requests.
        with suppress(Unsatisfiable):
            matches()
    assert requested >= {"/v1/predict", "/v1/explain", "/v1/predict/batch"}
