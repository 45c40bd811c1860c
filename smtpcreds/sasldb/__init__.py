"""Record files of Cyrus SASL: records, formats, and stores that replace them whole."""
