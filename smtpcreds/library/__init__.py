"""The verbs of the command line as methods: of a site where they look, of a transaction where they write."""
