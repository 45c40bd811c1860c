"""How everything stands, on one screen: gathered once, then rendered in several forms."""
