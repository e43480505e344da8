"""Who proposes the next experiment."""
