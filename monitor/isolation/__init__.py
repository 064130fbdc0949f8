"""Whether the monitor itself is connected, and alive: what fails while it is not is nobody's fault."""
