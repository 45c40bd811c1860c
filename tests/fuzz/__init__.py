"""Every parser of what others wrote, fed with what was altered."""
