"""From an incident to a mail that arrives once: outbox, delivery."""
