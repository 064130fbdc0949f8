"""What should run where (`config/releases`), against what runs there: pure decisions on facts."""
