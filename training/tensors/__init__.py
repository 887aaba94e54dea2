"""From histories to tensors: the one code that training and scoring share."""
