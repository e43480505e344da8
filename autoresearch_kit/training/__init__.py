"""What a training notebook imports."""
