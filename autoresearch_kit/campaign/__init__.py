"""The main job, `loop`, and what starts, steers and follows it."""
