"""Text in pictures: what reads it. Knows nothing of libraries or files."""
