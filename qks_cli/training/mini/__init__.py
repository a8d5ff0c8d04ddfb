"""The small model that ships with the project: its pool, its teachers, its losses, its training."""
