"""Bounds each loop of the workflow, per redrive.

Step Functions ends an execution at 25,000 history events, so every loop has a bound; `statemachine/check.py` computes
the worst case from these numbers and keeps it below 15,000.
"""

COPY_CALLS = 60
LOST_UPLOADS = 10
VERIFICATION_CALLS = 50
FRESH_COPIES_AFTER_MISMATCH = 2
FRESH_COPIES_AFTER_CHANGE = 5
FRESH_COPIES_AFTER_VERIFICATION = 2
FRESH_COPIES_BEFORE_DELETION = 2
CRAWL_ATTEMPTS = 3
CRAWL_POLLS = 50
QUERY_POLLS = 40
READING_CALLS = 4
"""Calls that continue the reading of a file, of up to 14 minutes each: what they leave unread is a warning."""
BATCH_CALLS = 60
PLAN_CALLS = 200
SHARD_ROUNDS = 50
"""Of the Map that plans ranges of keys; what is left then is planned one range after another."""
LISTING_CALLS = 100
"""Of each of the two functions of an audit that list."""
REPORT_CALLS = 60
EXECUTION_CALLS = 200
"""Of EnsureMigrated for a slice. Its waits grow to ten minutes while nothing happens."""
ROUNDS = 2
"""After the first one: what failed is repeated in a batch, then each object in an execution of its own."""
RECONCILE_CALLS = 8
"""For each round."""
