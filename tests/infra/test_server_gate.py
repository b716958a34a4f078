"""The gate: few invocations at once, fewer of one function, and copies before crawls."""

import subprocess
import sys
import threading
from collections import Counter

from infra.local import lifecycle
from infra.local.lambda_.gate import Gate
from tests.support.waiting import wait_for


def test_four_run_at_once_and_two_of_one_function() -> None:
    gate, lock = Gate(limit=4, limit_per_function=2), threading.Lock()
    running: Counter[str] = Counter()
    most_at_once: list[int] = []
    most_of_one: list[int] = []
    go = threading.Event()

    def invoke(name: str) -> None:
        with gate.admission(name):
            with lock:
                running[name] += 1
                most_at_once.append(running.total())
                most_of_one.append(max(running.values()))
            go.wait(10)
            with lock:
                running[name] -= 1

    threads = [threading.Thread(target=invoke, args=[f"f-{number % 3}"]) for number in range(24)]
    for thread in threads:
        thread.start()
    wait_for(lambda: running.total() == 4 and gate.waiting == 20, "a full gate")
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(most_at_once) == 24
    assert max(most_at_once) == 4
    assert max(most_of_one) == 2


def order_of(gate: Gate, *names: str) -> list[str]:
    """Invoke these one after another while the gate is full; return the order in which they run."""
    order: list[str] = []

    def invoke(name: str) -> None:
        with gate.admission(name):
            order.append(name)

    threads = [threading.Thread(target=invoke, args=[name]) for name in names]
    with gate.admission("other"):
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_for(lambda expected=number: gate.waiting == expected, f"{number} waiting")  # type: ignore[misc]
    for thread in threads:
        thread.join(10)
    return order


def test_copies_and_verifications_go_before_crawls_and_queries() -> None:
    came = ["f-start-crawler", "f-copy-object", "f-poll-crawler", "f-verify-checksum", "f-copy-object"]
    assert order_of(Gate(limit=1), *came) == [
        "f-copy-object",
        "f-verify-checksum",
        "f-copy-object",
        "f-start-crawler",
        "f-poll-crawler",
    ]


def test_slices_of_many_objects_run_one_after_the_other() -> None:
    gate, ended = Gate(), threading.Event()

    def invoke(name: str) -> None:
        with gate.admission(name):
            ended.wait(10)

    names = ["f-copy-batch", "f-copy-batch", "f-verify-batch"]
    threads = [threading.Thread(target=invoke, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    wait_for(lambda: gate.waiting == 1, "the second slice to wait, and the other function to run")
    ended.set()
    for thread in threads:
        thread.join(10)
    assert gate.waiting == 0


def test_no_invocation_waits_long_behind_later_ones() -> None:
    came = ["f-start-crawler", "f-copy-object", "f-poll-crawler", "f-copy-object"]
    assert order_of(Gate(limit=1, head_start_seconds=0), *came) == came


def test_a_failed_invocation_makes_room() -> None:
    gate = Gate(limit=1)
    for _ in range(2):
        try:
            with gate.admission("f"):
                raise ValueError
        except ValueError:
            pass
    assert order_of(gate, "f") == ["f"]


def test_the_server_does_not_start_without_the_function_that_the_gate_patches() -> None:
    code = (
        "from ministack.services import lambda_svc\n"
        "from infra.local.lambda_ import gate, patches\n"
        "del lambda_svc._execute_function_dispatch\n"
        "patches.install(gate.Gate())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "no ministack.services.lambda_svc._execute_function_dispatch" in ended.stderr
    assert "Traceback" not in ended.stderr


BURST = """
import threading
import time
from ministack.services import lambda_svc
from infra.local.lambda_ import gate, patches

NUMBER = 1_001
answers, go = [], threading.Event()

def dispatch(func, config, event, request_id, started):
    go.wait(60)
    return {"body": {}}

lambda_svc._execute_function_dispatch = dispatch
patches.install(gate.Gate())
function = {"config": {"FunctionName": "ferry-copy-object"}}
threads = [
    threading.Thread(target=lambda: answers.append(lambda_svc._execute_function(function, {}))) for _ in range(NUMBER)
]
for thread in threads:
    thread.start()
deadline = time.monotonic() + 60
while lambda_svc.executions_in_flight()[0] + len(answers) < NUMBER:
    assert time.monotonic() < deadline, "waited in vain"
    time.sleep(0.01)
go.set()
for thread in threads:
    thread.join(60)
print(sum(answer == {"body": {}} for answer in answers), "of", NUMBER)
"""
"""More than AWS gives an account, and MiniStack at most ("Lambda quotas", AWS Lambda Developer Guide: 1,000)."""


def test_any_number_of_invocations_waits_and_none_is_rejected() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BURST], env=lifecycle.SETTINGS, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "1001 of 1001\n", ended.stderr


TIMEOUTS = """
import threading
import time
from ministack.services import lambda_svc, stepfunctions
from infra.local.lambda_ import gate, patches

LAMBDA, OTHER = "arn:aws:states:::lambda:invoke", "arn:aws:states:::sns:publish"
go, ended = threading.Event(), {}

def dispatch(func, config, event, request_id, started):
    if event != "quick":
        go.wait(60)
    return "done"

def invoke(resource, event):
    if resource == OTHER:
        go.wait(60)
        return "done"
    return lambda_svc._execute_function_dispatch({}, {"FunctionName": "f"}, event, "id", 0)

lambda_svc._execute_function_dispatch = dispatch
stepfunctions._invoke_resource = invoke
patches.install(gate.Gate())

def call(name, resource, event, seconds):
    try:
        ended[name] = stepfunctions._invoke_resource_with_timeout(resource, event, seconds)
    except stepfunctions._ExecutionError as error:
        ended[name] = error.error

def start(*arguments):
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    return thread

# Two calls fill the function's limit: one that times out and one that does not.
calls = [start("too long", LAMBDA, "slow", 0.1), start("running", LAMBDA, "slow", 60)]
calls[0].join(60)
# It waits at the gate until a later call with the same timeout has timed out.
calls += [start("waiting", LAMBDA, "quick", 2), start("elsewhere", OTHER, {}, 2)]
calls[3].join(60)
print(sorted(ended.items()))
go.set()
for each in calls:
    each.join(60)
print(sorted(ended.items()))
"""


def test_a_tasks_time_does_not_run_while_it_waits_at_the_gate() -> None:
    """Otherwise a burst fails: of 1,000 uploads on a busy machine 46 did, by States.Timeout in StartCrawler."""
    ended = subprocess.run([sys.executable, "-c", TIMEOUTS], capture_output=True, text=True, check=False)
    timed_out = [("elsewhere", "States.Timeout"), ("too long", "States.Timeout")]
    before, after = ended.stdout.splitlines()
    assert before == str(timed_out), ended.stderr
    assert after == str(sorted([*timed_out, ("running", "done"), ("waiting", "done")]))


IDLE = """
import subprocess
import sys
import time
from ministack.core import lambda_runtime
from ministack.services import lambda_svc
from infra.local.lambda_ import gate, idle_processes, patches

patches.install(gate.Gate())
config = {"FunctionName": "f", "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f"}

def worker(name, ago):
    made, _ = lambda_svc.acquire_worker(name, config, b"")
    made._proc = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lambda_svc.release_worker(made)
    made.last_used = time.time() - ago
    return made

ago = idle_processes.IDLE_SECONDS + 10
idle, busy, fresh, long_call = worker("idle", ago), worker("busy", ago), worker("fresh", 0), worker("long", ago)
busy.in_use = True
lambda_svc.release_worker(long_call)
processes = [each._proc for each in (idle, busy, fresh, long_call)]
print(lambda_svc.reap_idle_workers(), [process.poll() is None for process in processes])
print(lambda_svc.acquire_worker("idle", config, b"")[1])
for process in processes:
    process.kill()
    process.wait()
"""


def test_an_idle_process_is_ended_even_if_it_is_the_only_one_of_its_function() -> None:
    """But neither one that is busy, nor one that has just ended a long call. The next call starts another process."""
    ended = subprocess.run(
        [sys.executable, "-c", IDLE], env=lifecycle.SETTINGS, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "1 [False, True, True, True]\nspawn\n", ended.stderr
