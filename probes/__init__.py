"""How things are measured: one probe, one file. A probe never judges, stores, schedules or alerts."""
