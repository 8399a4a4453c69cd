"""Trackers: observers that write down how trainings go, each switched on by its variable of the environment, and never by default."""
