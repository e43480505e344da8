"""One headless execution of a notebook: papermill, the clock, the deadline, the killing."""
