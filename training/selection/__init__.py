"""Training of the contenders, and the gate that selects the one that scores."""
