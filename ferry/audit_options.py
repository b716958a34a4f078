"""The options of `ferry audit`."""

from typing import Annotated

import typer

from ferry.options import MOST_CONCURRENCY

AuditPrefixOption = Annotated[
    str,
    typer.Option("--prefix", show_default="all keys", help="Compare only objects whose keys start with this prefix."),
]
AuditSinceOption = Annotated[
    str | None, typer.Option("--since", show_default="all", help="Compare only objects uploaded at this time or later.")
]
AuditMinAgeOption = Annotated[
    str,
    typer.Option("--min-age", help="Compare only objects at least this old, e.g. 15m."),
]
ReadOption = Annotated[bool, typer.Option("--read", help="Read objects whose stored checksums cannot be compared.")]
TagsOption = Annotated[
    bool, typer.Option("--tags", help="Compare the tags, not only their number (two more requests per object).")
]
AnnotationsOption = Annotated[
    bool, typer.Option("--annotations", help="Compare the annotations (two more list requests per object).")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Also fail if any objects are extra or undecided.")]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="NAME", help="Ignore this attribute, e.g. StorageClass. Repeatable."),
]
AuditConcurrencyOption = Annotated[
    int,
    typer.Option(
        "--max-concurrency",
        min=1,
        max=MOST_CONCURRENCY,
        help="Maximum number of slices (up to 1,000 objects each) to compare at once.",
    ),
]
AuditWaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the audit to finish.")]
