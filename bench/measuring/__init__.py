"""One run and its cost: time, memory and disk, and the machine on which it runs."""
