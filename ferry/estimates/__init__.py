"""What a bulk run would cost, and how long it would take: arithmetic over a plan's counts."""
