"""Record files against the programs and libraries that own their formats."""
