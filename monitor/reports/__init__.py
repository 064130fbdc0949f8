"""How a readiness run is shown: table, JSON, JUnit."""
