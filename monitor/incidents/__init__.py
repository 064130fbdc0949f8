"""From troubles of single checks to incidents with a cause: pure decisions, and `duty` which waits."""
