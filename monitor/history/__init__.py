"""What was judged before: every run, every change of an item, and what of the files changed then."""
