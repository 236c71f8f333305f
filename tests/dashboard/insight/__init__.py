"""States, forecasts, capacity, flow, and the columns they are worked out from."""
