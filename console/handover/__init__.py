"""The shift handover: assembled from live data, signed in the journal."""
