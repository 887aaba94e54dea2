"""Is the world still the one that the model knows?"""
