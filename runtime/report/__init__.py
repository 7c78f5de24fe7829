"""One self-contained HTML page on coded recordings. Drawing needs matplotlib (extra `report`)."""
