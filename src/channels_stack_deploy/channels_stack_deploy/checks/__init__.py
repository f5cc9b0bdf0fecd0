"""Whether a stack serves: visits through its edge, probes of the application, and why it does not."""
