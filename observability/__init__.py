"""How rotator is watched: the dashboard's source, its pictures, and tests of the alert rules."""
