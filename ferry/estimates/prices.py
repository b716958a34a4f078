"""AWS's list prices in US dollars, read at READ_ON for REGION, without free tiers.

Each one is in docs/deploy.md with the page where it was read; a test compares the two. Prices change, and other regions
cost more: an estimate shows the order of magnitude and what it consists of.
"""

from decimal import Decimal

READ_ON = "2026-11"
REGION = "us-east-1"

S3_WRITES = Decimal("0.005") / 1000
"""A PUT, COPY, POST or LIST request."""

S3_READS = Decimal("0.0004") / 1000
"""A GET, HEAD or any other request; DELETE is free."""

TRANSFERRED_GB = Decimal("0.02")
"""From one region to another: from us-west-2. Some regions charge several times as much."""

STATE_TRANSITION = Decimal("0.025") / 1000
LAMBDA_REQUEST = Decimal("0.20") / 1_000_000
LAMBDA_GB_SECOND = Decimal("0.0000133334")
"""On arm64."""

ATHENA_TB = Decimal("5.00")
"""Scanned. The 10 MB that each query costs at least are negligible for queries over a whole run."""
