"""Executors beyond one machine, each with its own package to install: none is imported before it is asked for."""
