"""Adapters for frameworks, one a file. Importing one imports no framework until it is used."""
