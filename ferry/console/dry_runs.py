"""Dry runs that the page asked for: each in a thread of its own, because a plan may take minutes.

They write nothing at the source or the target. What was asked for last is kept.
"""

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from ferry.aws.clients import Deployment
from ferry.commands import backfill
from ferry.errors import CommandError
from ferry.ui import plan_view
from functions.contract.bulk import Plan
from infra.aws_errors import explain

KEPT = 8
AT_ONCE = 2


@dataclass
class DryRunJob:
    """One dry run: how many objects are compared, and then its result or its error."""

    request: backfill.Request
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    compared: int = 0
    result: dict[str, Any] | None = None
    error: str | None = None

    @property
    def pending(self) -> bool:
        """Whether it has not ended."""
        return self.result is None and self.error is None


class DryRuns:
    """Starts dry runs, and remembers them."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._lock = threading.Lock()
        self._jobs: dict[str, DryRunJob] = {}

    def start(self, request: backfill.Request) -> DryRunJob:
        """Start one; raises CommandError if others are not finished."""
        with self._lock:
            if sum(job.pending for job in self._jobs.values()) >= AT_ONCE:
                raise CommandError(f"{AT_ONCE} dry runs are running. Wait until one has ended.")
            job = DryRunJob(request)
            self._jobs[job.id] = job
            while len(self._jobs) > KEPT:
                del self._jobs[next(iter(self._jobs))]
        threading.Thread(target=self._run, args=(job,), name="dry run", daemon=True).start()
        return job

    def find(self, job_id: str) -> DryRunJob:
        """A dry run by its id."""
        job = self._jobs.get(job_id)
        if job is None:
            raise CommandError("This dry run is no longer available. Start another one.")
        return job

    def _run(self, job: DryRunJob) -> None:
        def progress(plan: Plan) -> None:
            job.compared = plan.objects

        try:
            found = backfill.estimate_backfill(self._deployment, job.request, progress)
            document = plan_view.document(found.plan, found.costs, found.scope, self._deployment.outputs)
        except (BotoCoreError, ClientError, Boto3Error) as error:
            job.error = explain(error, self._deployment.outputs.endpoint_url or "AWS")
        except CommandError as error:
            job.error = str(error)
        else:
            whys = [plan_view.reason_text(tally) for tally in plan_view.sorted_tallies(found.plan.tallies)]
            document["outcomes"] = [
                outcome | {"why": why} for outcome, why in zip(document["outcomes"], whys, strict=True)
            ]
            job.result = document
