"""How far the inventory of a bulk run is sorted. Fields are only added, with a default."""

from typing import Literal

from pydantic import NonNegativeInt

from functions.contract.objects import Model


class SortedInventory(Model):
    """The progress of sorting: `runs` sorted runs are written, from all rows before row `row` of file `file`.

    `sorting`: PlanBatches is called again, and continues there. A run has the same rows whoever writes it, so a
    repeated call writes the same bytes again.
    """

    status: Literal["sorting", "sorted"] = "sorting"
    file: NonNegativeInt = 0
    row: NonNegativeInt = 0
    runs: NonNegativeInt = 0
