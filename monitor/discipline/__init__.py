"""Leave for the checks that load a link: budgets, windows, turns, and an end when others suffer."""
