"""What ends a command early: one line for the operator and the exit code."""


class Problem(Exception):
    """Something is not as the command needs it: no cloud, an unknown execution, a failed demo."""

    exit_code = 1


class UsageProblem(Problem):
    """The command was called wrongly."""

    exit_code = 2
