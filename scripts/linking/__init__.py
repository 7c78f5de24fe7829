"""What `scripts/link` is made of: a source and a radio as processes of their own, and what is made of their figures."""
