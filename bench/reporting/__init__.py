"""What the runs have shown: results, verdicts, the report, its charts, and the gate."""
