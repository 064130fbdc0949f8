"""From a checklist and the evidence to a verdict: pure decisions, the clock passed in."""
