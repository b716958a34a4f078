"""The documents' typed updates name only fields that exist."""

from typing import Any, get_type_hints

import pytest

from functions.contract import results
from functions.contract.objects import Model

CHANGES: dict[type[Model], type] = {
    results.MultipartUpload: results.UploadChanges,
    results.Copy: results.CopyChanges,
    results.ReadProgress: results.ReadChanges,
    results.Verification: results.VerificationChanges,
    results.Catalogue: results.CatalogueChanges,
    results.Validation: results.ValidationChanges,
    results.Deletion: results.DeletionChanges,
}


@pytest.mark.parametrize("model", CHANGES, ids=lambda model: model.__name__)
def test_what_may_be_changed_are_fields_of_the_model(model: type[Model]) -> None:
    assert get_type_hints(CHANGES[model]).keys() <= model.model_fields.keys()


def test_a_change_leaves_the_original_and_every_other_field() -> None:
    previous = results.Catalogue(status="running", polls=2)
    changed: Any = previous.changed(status="succeeded", crawl_id="c1")
    assert (changed.status, changed.crawl_id, changed.polls) == ("succeeded", "c1", 2)
    assert (previous.status, previous.crawl_id) == ("running", None)
