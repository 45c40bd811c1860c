"""A real SMTP session, step by step: does what was issued work, and is what must be refused refused?"""
