"""The embedded store: readings as compressed series, and the relational state of the monitor."""
