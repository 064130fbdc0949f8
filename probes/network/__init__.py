"""What is measured over the network, from the monitor's own place in it."""
