"""Credentials to the files of each mail program, and back. Pure: values in, bytes out."""
