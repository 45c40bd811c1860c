"""Keys, certificates and the rules they obey. Pure: time, serial numbers and bytes come in as arguments."""
