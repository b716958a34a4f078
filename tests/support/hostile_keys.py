"""Keys that would run, hide or break something if they were taken for anything but text."""

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "a\nb\r\tc",
    "k" * 1024,
    "\udcff",
]
