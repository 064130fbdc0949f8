"""Probes of middleware: brokers, directories, coordinators, caches, balancers, and the JVM."""
