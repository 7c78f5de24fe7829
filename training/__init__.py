"""Train, export and judge models."""
