"""Bounds each loop of the workflow, per redrive.

Step Functions ends an execution at 25,000 history events, so every loop has a bound; `statemachine/check.py` computes
the worst case from these numbers and keeps it below 15,000.
"""

COPY_CALLS = 60
VERIFICATION_CALLS = 50
FRESH_COPIES_AFTER_MISMATCH = 2
FRESH_COPIES_AFTER_CHANGE = 5
FRESH_COPIES_AFTER_VERIFICATION = 2
FRESH_COPIES_BEFORE_DELETION = 2
CRAWL_ATTEMPTS = 3
CRAWL_POLLS = 50
QUERY_POLLS = 40
BATCH_CALLS = 60
PLAN_CALLS = 200
REPORT_CALLS = 60
