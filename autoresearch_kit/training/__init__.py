"""What training notebooks import: the run, its budget, and the hand-over of the model."""
