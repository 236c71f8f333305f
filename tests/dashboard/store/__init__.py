"""Samples: kept, sealed, rolled up, dropped, damaged, exported."""
