"""The reflector: what runs on a unit's machine and answers the monitor's channel measurements."""
