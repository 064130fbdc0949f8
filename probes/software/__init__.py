"""What runs on a host, asked over the shared SSH connection: one command per host, however many checks."""
