"""Incidents: declared, worked on against running clocks, told to others, and looked back at."""
