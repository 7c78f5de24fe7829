"""What coding costs on a chip: operations of every mode, published energies of an operation, published implants."""
